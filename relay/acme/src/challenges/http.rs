//! HTTP-01 (RFC 8555 §8.3): the certificate authority fetches the proof over plain HTTP from port 80.

use super::open::{Open, Shown};

/// The folder of the proofs, with what it is followed by: the challenge's token.
pub const HTTP_PATH: &str = "/.well-known/acme-challenge/";

/// The challenges that are open, by host and token. Clones are of the same ones.
#[derive(Debug, Clone, Default)]
pub struct Http(Open<String>);

impl Http {
    /// What a GET of `path` at `host`, in canonical form, is answered; nothing where no such challenge is open.
    #[must_use]
    pub fn answer(&self, host: &str, path: &str) -> Option<String> {
        self.0.ask(&place(host, path.strip_prefix(HTTP_PATH)?))
    }

    pub(crate) fn show(&self, host: &str, token: &str, key_authorization: &str) -> Shown {
        self.0.show(&place(host, token), key_authorization.to_owned())
    }
}

/// No host has a slash in it.
fn place(host: &str, token: &str) -> String {
    format!("{host}/{token}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_its_host_and_its_token_alone() {
        let http = Http::default();
        let shown = http.show("a.example", "token", "token.thumbprint");
        let path = format!("{HTTP_PATH}token");
        assert_eq!(http.answer("a.example", &path).as_deref(), Some("token.thumbprint"));
        assert_eq!(http.answer("b.example", &path), None);
        for path in ["/token", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/token/", "/"] {
            assert_eq!(http.answer("a.example", path), None, "{path}");
        }
        drop(shown);
        assert_eq!(http.answer("a.example", &path), None);
    }
}
