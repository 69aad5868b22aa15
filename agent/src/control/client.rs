//! The side of a command: finds the running tunnels of this user, and asks one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::message::{Answer, Command, DEADLINE, MAX_LINE, Tunnel};
use super::place::Place;

/// A tunnel that runs, and where it is asked.
#[derive(Debug)]
pub struct Running {
    /// What it says of itself.
    pub tunnel: Tunnel,
    socket: PathBuf,
}

/// All of this user's tunnels that run. A socket that nobody listens on is what a crash has left: it is removed.
///
/// # Errors
/// The folder cannot be read.
pub fn running(place: &Place) -> io::Result<Vec<Running>> {
    let mut found = Vec::new();
    for socket in place.sockets()? {
        match ask(&socket, &Command::Status) {
            Ok(Answer::Status(tunnel)) => found.push(Running { tunnel, socket }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                // Another command may have been quicker.
                let _ = std::fs::remove_file(&socket);
            }
            // It ends just now, or hangs.
            Err(_) => {}
        }
    }
    Ok(found)
}

impl Running {
    /// Asks this one.
    ///
    /// # Errors
    /// It went away, or says what this version does not understand.
    pub fn ask(&self, command: &Command) -> io::Result<Answer> {
        ask(&self.socket, command)
    }
}

fn ask(socket: &Path, command: &Command) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_LINE)).read_until(b'\n', &mut answer)?;
    // Its words could quote the answer, and with it a token.
    serde_json::from_slice(&answer).map_err(|_| io::Error::other("its answer is not understood"))
}
