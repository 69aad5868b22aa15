//! What an agent says on the control stream.

use gantz_shared::control::{FromAgent, Secret, check_tokens};
use gantz_shared::limits::{MAX_ALLOWED_ORIGINS, MAX_LABEL, MAX_TOKENS};

use super::control;

const CANARY: &str = "canary-that-must-not-be-shown";

/// Checks the decoder on `data`, as a stream of messages and as the JSON of one.
pub fn check(data: &[u8]) {
    for message in control::check::<FromAgent>(data) {
        let tokens = match message {
            FromAgent::Hello(mut hello) => {
                if hello.policy.check().is_ok() {
                    assert!(hello.policy.allowed_origins.len() <= MAX_ALLOWED_ORIGINS);
                    assert!(hello.policy.tokens.len() <= MAX_TOKENS);
                }
                let digests: Vec<String> = hello.policy.tokens.iter().map(|token| String::from(token.digest)).collect();
                // It may stand in what is no secret: fuzzers learn what they are compared with.
                (hello.access_key, hello.resume) = (None, None);
                let elsewhere = format!("{hello:?}").matches(CANARY).count();
                hello.access_key = Some(Secret::new(CANARY.into()));
                hello.resume = hello.access_key.clone();
                let shown = format!(
                    "{:?} {:?}",
                    hello.access_key,
                    hello.policy.tokens.iter().map(|t| t.digest).collect::<Vec<_>>()
                );
                assert!(!shown.contains(CANARY) && !digests.iter().any(|digest| shown.contains(digest)), "{shown}");
                assert_eq!(format!("{hello:?}").matches(CANARY).count(), elsewhere);
                hello.policy.tokens
            }
            FromAgent::SetTokens { tokens, .. } => tokens,
            _ => continue,
        };
        if check_tokens(&tokens).is_ok() {
            assert!(tokens.len() <= MAX_TOKENS);
            let ids: std::collections::HashSet<_> = tokens.iter().map(|token| &token.id).collect();
            assert_eq!(ids.len(), tokens.len());
            for token in &tokens {
                assert!(
                    token.id.len() <= MAX_LABEL && token.label.as_ref().is_none_or(|label| label.len() <= MAX_LABEL)
                );
            }
        }
    }
}
