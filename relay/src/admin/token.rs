//! The token of the admin API: 256 bits in a file of the state folder, that only the relay's own user can read.

use std::path::Path;

use gantz_shared::token::{Digest, Token};
use http::{HeaderMap, header};
use rand::rngs::SysRng;

use crate::access::AccessError;
use crate::state;

/// The file.
const FILE: &str = "admin.token";

/// What it begins with; the rest is as of [`Token`].
const PREFIX: &str = "gza_";

/// The digest of the token in `dir`, which is made when there is none.
pub(super) fn load(dir: &Path) -> Result<Digest, AccessError> {
    let path = dir.join(FILE);
    if let Some(bytes) = state::read(&path)? {
        let kept = bytes.trim_ascii();
        // A file that was emptied would let everybody in who shows nothing.
        if kept.len() < gantz_shared::limits::MIN_TOKEN_LEN {
            let words = format!("{FILE} holds no token; remove it to get a new one");
            return Err(std::io::Error::other(words).into());
        }
        return Ok(Digest::of(kept));
    }
    let token = Token::generate(&mut SysRng).map_err(|error| std::io::Error::other(error.to_string()))?;
    let token = format!("{PREFIX}{}", token.reveal().trim_start_matches(gantz_shared::token::PREFIX));
    state::write(&path, token.as_bytes(), 0o600)?;
    Ok(Digest::of(token.as_bytes()))
}

/// Whether a request shows it (RFC 6750 §2.1).
pub(super) fn is_shown(fields: &HeaderMap, token: &Digest) -> bool {
    let mut shown = fields.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else { return false };
    let Some((scheme, shown)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && bool::from(Digest::of(shown.as_bytes()).ct_eq(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let digest = load(folder.path()).unwrap();
        assert!(bool::from(load(folder.path()).unwrap().ct_eq(&digest)));
        let token = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(token.starts_with(PREFIX) && token.len() == 47, "its shape");
        let shows = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.append(header::AUTHORIZATION, value.parse().unwrap());
            is_shown(&fields, &digest)
        };
        assert!(shows(&format!("Bearer {token}")) && shows(&format!("bearer {token}")));
        assert!(!shows(&token) && !shows("Bearer ") && !shows(&format!("Bearer {token}x")));
        assert!(!is_shown(&HeaderMap::new(), &digest));
        std::fs::write(folder.path().join(FILE), "\n").unwrap();
        assert!(load(folder.path()).is_err());
    }
}
