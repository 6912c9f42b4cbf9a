//! Numbers in JSON, including the ones JSON does not have.
//!
//! A diverged run has losses that are NaN or infinite, and a record that cannot be read back because of them would hide the
//! very thing that went wrong. Finite numbers are written as numbers, the others as `"nan"`, `"inf"`, `"-inf"`. The modules
//! are for `#[serde(with = ...)]`. Invariant: every value is written with all its digits and reads back to the last bit or its
//! neighbour (serde_json's usual parser is that exact; its `float_roundtrip` feature makes it the same bit).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy)]
struct Wire(f64);

impl Serialize for Wire {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            s.serialize_f64(self.0)
        } else if self.0.is_nan() {
            s.serialize_str("nan")
        } else {
            s.serialize_str(if self.0 > 0.0 { "inf" } else { "-inf" })
        }
    }
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Word(String),
        }
        match Either::deserialize(d)? {
            Either::Number(x) => Ok(Wire(x)),
            Either::Word(w) => match w.as_str() {
                "nan" => Ok(Wire(f64::NAN)),
                "inf" => Ok(Wire(f64::INFINITY)),
                "-inf" => Ok(Wire(f64::NEG_INFINITY)),
                other => Err(serde::de::Error::custom(format!("`{other}` is not a number"))),
            },
        }
    }
}

/// A number as a JSON value.
pub(super) fn value(x: f64) -> serde_json::Value {
    serde_json::to_value(Wire(x)).unwrap_or_default()
}

pub(super) fn serialize<S: Serializer>(x: &f64, s: S) -> Result<S::Ok, S::Error> {
    Wire(*x).serialize(s)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(Wire::deserialize(d)?.0)
}

/// `Option<f64>`.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Wire};

    pub fn serialize<S: Serializer>(x: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
        x.map(Wire).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Wire>::deserialize(d)?.map(|w| w.0))
    }
}

/// `Vec<(u64, f64)>`: a curve over steps.
pub(super) mod curve {
    use super::{Deserialize, Deserializer, Serializer, Wire};

    pub fn serialize<S: Serializer>(x: &[(u64, f64)], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(x.iter().map(|(step, v)| (step, Wire(*v))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<(u64, f64)>, D::Error> {
        Ok(Vec::<(u64, Wire)>::deserialize(d)?.into_iter().map(|(step, w)| (step, w.0)).collect())
    }
}

/// `Vec<f64>`
pub(super) mod wide {
    use super::{Deserialize, Deserializer, Serializer, Wire};

    pub fn serialize<S: Serializer>(x: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(x.iter().map(|v| Wire(*v)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Wire>::deserialize(d)?.into_iter().map(|w| w.0).collect())
    }
}

/// `Vec<f32>`: coordinates. Written as the shortest decimal that reads back as the same `f32`.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Wire};

    struct Short(f32);

    impl Serialize for Short {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            if self.0.is_finite() { s.serialize_f32(self.0) } else { Wire(f64::from(self.0)).serialize(s) }
        }
    }

    pub fn serialize<S: Serializer>(x: &[f32], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(x.iter().map(|v| Short(*v)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f32>, D::Error> {
        Ok(Vec::<Wire>::deserialize(d)?.into_iter().map(|w| w.0 as f32).collect())
    }
}
