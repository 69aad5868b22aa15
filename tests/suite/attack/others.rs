//! Whoever else calls while the relay is attacked: on a thread that the attack does not share, so that what is measured
//! is the relay. Reported, never judged: other tests run beside this one.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gantz_tests::within;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::target::{Caller, Target};

/// Answers that another caller gets while an attack is under way, and before it.
pub(crate) const OTHERS: usize = 500;

/// How the others call.
#[derive(Clone, Copy)]
pub(crate) struct Steady {
    /// How many of them do, each on a connection of its own.
    pub(crate) callers: usize,
    /// How long each waits after an answer.
    pub(crate) pause: Duration,
}

/// One, who calls and calls.
const ONE: Steady = Steady { callers: 1, pause: Duration::ZERO };

/// Callers on connections of their own.
pub(crate) struct Others {
    took: Arc<Mutex<Vec<Duration>>>,
    stop: CancellationToken,
    calling: Vec<JoinHandle<()>>,
}

impl Others {
    fn start(target: &Target, callers: &[Caller], pause: Duration) -> Self {
        let (took, stop) = (Arc::<Mutex<Vec<Duration>>>::default(), CancellationToken::new());
        let calling = callers.iter().map(|caller| {
            let (caller, noted, stopped) = (caller.clone(), took.clone(), stop.clone());
            target.home.spawn(async move {
                while !stopped.is_cancelled() {
                    let started = Instant::now();
                    caller.call().await;
                    noted.lock().unwrap().push(started.elapsed());
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            })
        });
        let calling = calling.collect();
        Self { took, stop, calling }
    }

    /// Whether as many answers have come as make a figure, or none will any more.
    pub(crate) fn are_enough(&self) -> bool {
        self.calling.iter().any(JoinHandle::is_finished) || self.took.lock().unwrap().len() >= OTHERS
    }

    /// How long each answer took; fails when one did not come.
    async fn end(self) -> Vec<Duration> {
        self.stop.cancel();
        for calling in self.calling {
            within("the last of the others' answers", calling).await.unwrap();
        }
        std::mem::take(&mut *self.took.lock().unwrap())
    }
}

impl Target {
    /// Does `work` while another caller of `host` gets answers, and says how long they took before and meanwhile.
    pub(crate) async fn beside<T>(&self, what: &str, host: &str, work: impl AsyncFnOnce(&Others) -> T) -> T {
        self.beside_steady(what, host, ONE, work).await
    }

    /// As [`beside`](Self::beside), with more of them, who are in less of a hurry.
    pub(crate) async fn beside_steady<T>(
        &self,
        what: &str,
        host: &str,
        steady: Steady,
        work: impl AsyncFnOnce(&Others) -> T,
    ) -> T {
        let callers: Vec<_> = (0..steady.callers).map(|_| self.caller(host)).collect();
        let caller = callers[0].clone();
        let first = caller.clone();
        self.home
            .run(async move {
                first.call().await;
            })
            .await;
        let quiet = Others::start(self, &callers, steady.pause);
        let enough = async {
            while !quiet.are_enough() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("answers before the attack", enough).await;
        let quiet = quiet.end().await;

        let others = Others::start(self, &callers, steady.pause);
        let (started, cpu, waited) = (Instant::now(), self.cpu(), self.waited());
        let outcome = work(&others).await;
        let (took, cpu, waited) = (started.elapsed(), self.cpu() - cpu, self.waited() - waited);
        let meanwhile = others.end().await;
        self.home
            .run(async move {
                caller.call().await;
            })
            .await;
        eprintln!(
            "{what:<48} | quiet {} | during {} ms (p50 p99) | {:>5} answers | relay has {:>3.0} % and lacks {:>3.0} % of a core in {:.1} s",
            percentiles(quiet),
            percentiles(meanwhile.clone()),
            meanwhile.len(),
            100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
            100.0 * waited.as_secs_f64() / took.as_secs_f64(),
            took.as_secs_f64(),
        );
        outcome
    }
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100).map_or(0.0, Duration::as_secs_f64);
    format!("{:>7.2} {:>7.2}", 1e3 * at(50), 1e3 * at(99))
}
