//! The side of a command: finds the running tunnels of this user, and asks one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::message::{Answer, Command, DEADLINE, FIRST_WORD, MAX_LINE, Tunnel};
use super::place::Place;

/// A tunnel that runs, and where it is asked.
#[derive(Debug)]
pub struct Running {
    /// What it says of itself.
    pub tunnel: Tunnel,
    socket: PathBuf,
}

/// The tunnels of this user.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that run.
    pub running: Vec<Running>,
    /// Sockets that somebody listens on who did not say in time what runs there.
    pub silent: Vec<PathBuf>,
}

/// All of this user's tunnels that run. All are asked at once, so that one that hangs keeps nobody longer than
/// two seconds. A socket that nobody listens on is what a crash has left: it is removed.
///
/// # Errors
/// The folder cannot be read, or there is no thread to ask in.
pub fn running(place: &Place) -> io::Result<Found> {
    let mut silent = place.sockets()?;
    let (tell, told) = mpsc::channel();
    for socket in silent.clone() {
        let tell = tell.clone();
        // Not waited for: what does not answer may take as long as it likes.
        Builder::new().name("ask".into()).spawn(move || {
            let answer = ask(&socket, &Command::Status, FIRST_WORD);
            // Nobody waits for it any more.
            let _ = tell.send((socket, answer));
        })?;
    }
    drop(tell);
    let mut running = Vec::new();
    let asked = Instant::now();
    while let Ok((socket, answer)) = told.recv_timeout(FIRST_WORD.saturating_sub(asked.elapsed())) {
        match answer {
            Ok(Answer::Status(tunnel)) => {
                silent.retain(|other| *other != socket);
                running.push(Running { tunnel, socket });
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                silent.retain(|other| *other != socket);
                // Another command may have been quicker.
                let _ = std::fs::remove_file(&socket);
            }
            // It ends just now, or is none of ours.
            Ok(_) | Err(_) => silent.retain(|other| *other != socket),
        }
    }
    running.sort_by(|one, other| one.socket.cmp(&other.socket));
    Ok(Found { running, silent })
}

impl Running {
    /// Asks this one.
    ///
    /// # Errors
    /// It went away, or says what this version does not understand.
    pub fn ask(&self, command: &Command) -> io::Result<Answer> {
        ask(&self.socket, command, DEADLINE)
    }
}

fn ask(socket: &Path, command: &Command, deadline: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_LINE)).read_until(b'\n', &mut answer)?;
    // Its words could quote the answer, and with it a token.
    serde_json::from_slice(&answer).map_err(|_| io::Error::other("its answer is not understood"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn one_that_hangs_keeps_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().join("run")).unwrap();
        let path = |name: &str| folder.path().join("run").join(name);
        // Before and behind the one that answers, in the order of their names.
        let hanging = ["1.sock", "3.sock"].map(|name| (path(name), UnixListener::bind(path(name)).unwrap()));
        drop(UnixListener::bind(path("0.sock")).unwrap());
        let answering = UnixListener::bind(path("2.sock")).unwrap();
        let status = serde_json::to_string(&Answer::Status(Tunnel {
            name: "tools".into(),
            url: String::new(),
            relay: String::new(),
            target: String::new(),
            pid: 2,
            tokens: None,
            calls: 0,
            transport: String::new(),
        }));
        let answers = std::thread::spawn(move || {
            let mut stream = BufReader::new(answering.accept().unwrap().0);
            // Closed before it is asked, it would be one that ends just now.
            stream.read_line(&mut String::new()).unwrap();
            writeln!(stream.get_mut(), "{}", status.unwrap()).unwrap();
        });
        let begun = Instant::now();
        let found = running(&place).unwrap();
        assert!(begun.elapsed() < 5 * FIRST_WORD);
        answers.join().unwrap();
        assert_eq!(found.running.iter().map(|running| &*running.tunnel.name).collect::<Vec<_>>(), ["tools"]);
        assert_eq!(found.silent, hanging.map(|(path, _)| path));
        assert!(!path("0.sock").exists(), "what a crash has left is removed");
    }
}
