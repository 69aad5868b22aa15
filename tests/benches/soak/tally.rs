//! What has come of everything that was asked, by kind.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// How often each came.
#[derive(Default, Clone)]
pub(crate) struct Counts {
    pub(crate) came: BTreeMap<String, u64>,
    /// What should not have.
    pub(crate) faults: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) {
        *self.0.lock().unwrap().came.entry(what.to_owned()).or_default() += 1;
    }

    /// Each kind is said when it comes for the first time: nobody has to wait an hour to learn of it.
    pub(crate) fn fault(&self, what: &str, why: &str) {
        let kind = format!("{what} {why}");
        let mut counts = self.0.lock().unwrap();
        let times = counts.faults.entry(kind.clone()).or_default();
        *times += 1;
        if *times == 1 {
            println!("wrong: {kind}");
        }
    }

    /// One call: its answer has to be one of `expected`, each a status and the code of gantz where there is one, and that
    /// of the server has to say what is `wanted`.
    pub(crate) async fn answer(
        &self,
        what: &str,
        request: reqwest::RequestBuilder,
        expected: &[&str],
        wanted: Option<&str>,
    ) {
        let Some(answer) = self.begun(what, request, expected).await else { return };
        if let (Some(wanted), true) = (wanted, answer.status() == 200) {
            self.whole(what, answer, wanted).await;
        }
    }

    /// The answer as soon as it has begun, if it is one of `expected`.
    pub(crate) async fn begun(
        &self,
        what: &str,
        request: reqwest::RequestBuilder,
        expected: &[&str],
    ) -> Option<reqwest::Response> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.fault(what, &format!("without an answer: {}", causes(&error)));
                return None;
            }
        };
        let code = answer.headers().get("gantz-error").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let came = format!("{} {code}", answer.status().as_u16());
        if !expected.contains(&came.trim()) {
            self.fault(what, came.trim());
            return None;
        }
        self.count(&format!("{what} {}", came.trim()));
        Some(answer)
    }

    /// The rest of an answer.
    pub(crate) async fn whole(&self, what: &str, answer: reqwest::Response, wanted: &str) {
        match answer.text().await {
            Ok(text) if text == wanted => {}
            Ok(_) => self.fault(what, "brought something else"),
            Err(error) => self.fault(what, &format!("was cut: {}", causes(&error))),
        }
    }
}

/// Without the address, which has a number in it.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
