//! What a relay says on the control stream.

use gantz_shared::control::{FromRelay, Secret};
use gantz_shared::name::Name;

use super::control;

const CANARY: &str = "canary-that-must-not-be-shown";

/// Checks the decoder on `data`, as a stream of messages and as the JSON of one.
pub fn check(data: &[u8]) {
    for message in control::check::<FromRelay>(data) {
        if let FromRelay::Welcome(mut welcome) = message {
            assert_eq!(Name::parse(welcome.name.as_str()).as_ref(), Ok(&welcome.name));
            // It may stand in what is no secret: fuzzers learn what they are compared with.
            welcome.resume = Secret::new(String::new());
            let elsewhere = format!("{welcome:?}").matches(CANARY).count();
            welcome.resume = Secret::new(CANARY.into());
            assert_eq!(format!("{welcome:?}").matches(CANARY).count(), elsewhere);
        }
    }
}
