//! Everything that is logged in this process, by gantz and by what it is built on, at the most talkative level: searched
//! for secrets, and to be waited for where nothing else tells that something has happened.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

use tokio::sync::oneshot;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::canary;

/// What has come by so far: where nothing comes by, nothing can be found.
static RELAY: AtomicBool = AtomicBool::new(false);
static AGENT: AtomicBool = AtomicBool::new(false);
static FINEST: AtomicBool = AtomicBool::new(false);

/// What is waited for, and who is to be told. Mostly nothing is: then no event is looked at for that.
static AWAITED: Mutex<Vec<(String, oneshot::Sender<()>)>> = Mutex::new(Vec::new());
static IS_AWAITED: AtomicBool = AtomicBool::new(false);

/// Searches whatever is logged from now on until the process ends, for all tests of the process: events come from
/// threads that belong to none of them.
pub fn watch() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Formatted as the binaries do it. They write no records of the `log` crate, so these are not looked at.
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(Searched)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber in a test process");
    });
}

/// Held by whoever runs a tunnel. Dropped, it asserts that there was something to search.
#[derive(Debug)]
pub struct Watched;

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for (whose, seen) in [("the relay's", &RELAY), ("the agent's", &AGENT), ("the finest", &FINEST)] {
                assert!(seen.load(Ordering::Relaxed), "{whose} events were not searched for secrets");
            }
        }
    }
}

/// Waits for an event, from now on and not from the first poll, in which `text` stands.
pub fn when(text: &str) -> impl Future<Output = ()> + use<> {
    watch();
    let (sender, receiver) = oneshot::channel();
    AWAITED.lock().unwrap().push((text.to_owned(), sender));
    IS_AWAITED.store(true, Ordering::Release);
    async { receiver.await.expect("whoever waits is told") }
}

fn tell(event: &str) {
    let mut awaited = AWAITED.lock().unwrap();
    for (_, sender) in awaited.extract_if(.., |(text, _)| event.contains(&**text)) {
        // Nobody waits for it any more: the test is over.
        let _ = sender.send(());
    }
    IS_AWAITED.store(!awaited.is_empty(), Ordering::Release);
}

/// Where formatted events go, one at a time and whole.
struct Searched;

impl MakeWriter<'_> for Searched {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> Self {
        match event.target() {
            target if target.starts_with("gantz_relay") => RELAY.store(true, Ordering::Relaxed),
            target if target.starts_with("gantz_agent") => AGENT.store(true, Ordering::Relaxed),
            _ => {}
        }
        if *event.level() == Level::TRACE {
            FINEST.store(true, Ordering::Relaxed);
        }
        Self
    }
}

impl Write for Searched {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if let Some(spelling) = canary::find(event) {
            canary::leaked(event, spelling);
        }
        if IS_AWAITED.load(Ordering::Acquire) {
            tell(&String::from_utf8_lossy(event));
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::canary::TOKEN;

    /// Set in a process that is to leak.
    const PLANT: &str = "GANTZ_TESTS_PLANT";

    /// The leak is planted where nobody looks: at the finest level, in a task whose end is ignored, by a test that goes
    /// on and passes.
    #[test]
    fn a_leak_ends_the_process_whoever_wrote_it() {
        let planted = std::env::var(PLANT).ok();
        if let Some(text) = &planted {
            super::watch();
            let text = text.clone();
            let _ = std::thread::spawn(move || tracing::trace!(target: "somebody", text, "planted")).join();
            return;
        }
        let run = |text: &str| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "logs::tests::a_leak_ends_the_process_whoever_wrote_it"])
                .env(PLANT, text)
                .output()
                .unwrap()
        };
        let harmless = run("nothing in particular");
        assert!(harmless.status.success(), "{harmless:?}");
        assert!(String::from_utf8_lossy(&harmless.stdout).contains("1 passed"), "{harmless:?}");
        let leaking = run(&format!("Bearer {TOKEN}"));
        let stderr = String::from_utf8_lossy(&leaking.stderr);
        assert!(!leaking.status.success(), "{leaking:?}");
        assert!(stderr.contains("a secret was written") && stderr.contains("planted"), "{stderr}");
    }
}
