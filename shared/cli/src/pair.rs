//! Settings that contradict each other. One rule for all of them: the layer that is heard first ([`Layer`](crate::Layer))
//! beats the other; two of the same layer are an error that names both.

use gantz_shared::failure::{Exit, Failure};

use crate::said::Said;

/// Two that cannot both be, each a key and, where only one of its values is meant, that.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// One of them.
    pub one: (&'a str, Option<&'a str>),
    /// The other.
    pub other: (&'a str, Option<&'a str>),
    /// Why not both.
    pub why: &'a str,
}

/// Which of a pair is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum One {
    /// [`Pair::one`]
    First,
    /// [`Pair::other`]
    Other,
}

impl Pair<'_> {
    /// The one that is heard, where both are there. A default contradicts nothing: it gives way.
    ///
    /// # Errors
    /// Both were said in the same layer.
    pub fn first(&self, said: &Said) -> Result<One, Failure> {
        match (said.layer(self.one.0), said.layer(self.other.0)) {
            (Some(one), Some(other)) if one == other => Err(self.failure(said)),
            (Some(one), Some(other)) if other < one => Ok(One::Other),
            (None, Some(_)) => Ok(One::Other),
            _ => Ok(One::First),
        }
    }

    fn failure(&self, said: &Said) -> Failure {
        let spelled = |(key, value): (&str, Option<&str>)| said.spelled(key, value);
        let (one, other) = (spelled(self.one), spelled(self.other));
        Failure::new(Exit::Usage, format!("{one} and {other} contradict each other"))
            .why(self.why)
            .hint("one of them alone; a flag would beat the environment, and that the files")
    }
}
