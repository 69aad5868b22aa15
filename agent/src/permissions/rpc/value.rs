//! Values that are looked at no further than text and numbers, but read strictly to their end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Id;

/// A value of which only text and numbers matter.
#[derive(PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Other,
}

impl Scalar {
    pub(super) fn into_id(self) -> Option<Id> {
        match self {
            Self::Text(text) => Some(Id::Text(text)),
            Self::Number(number) => Some(Id::Number(number)),
            Self::Other => None,
        }
    }
}

/// Reads any value. serde's own `IgnoredAny` would follow any depth, and pass over text that is none.
#[derive(Clone, Copy)]
pub(super) struct Value {
    keep: bool,
}

pub(super) const KEEP: Value = Value { keep: true };
pub(super) const SKIP: Value = Value { keep: false };

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(serde_json::Number::from_f64(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(if self.keep { Scalar::Text(text.to_owned()) } else { Scalar::Other })
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element_seed(SKIP)?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_key_seed(SKIP)?.is_some() {
            map.next_value_seed(SKIP)?;
        }
        Ok(Scalar::Other)
    }
}
