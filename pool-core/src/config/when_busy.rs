//! [`DialWhenBusy`] as a word or a duration.

use std::time::Duration;

/// Whether another connection is dialled while all open ones of a host are in use.
///
/// A host without a usable connection is always dialled at once, and no dial goes beyond the
/// [limits](super::Limits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DialWhenBusy {
    /// At once: whoever waits gets what comes first, a connection that is returned or the new one. Written
    /// `"immediate"`.
    #[default]
    Immediate,
    /// When somebody has waited this long. Written as a duration, `"20ms"`.
    After(Duration),
    /// When waiting is expected to take longer than connecting did lately, or has taken as long already. Written
    /// `"if-wait-exceeds-connect"`.
    ///
    /// The expectation is Little's law over what the host has seen: leases before the last in the queue, times how
    /// long leases lasted lately, over the leases out now.
    IfWaitExceedsConnect,
    /// Not at all: whoever waits waits for a connection that is open, and
    /// [`Http2::connections`](super::Http2::connections) counts as 1. Written `"never"`.
    Never,
}

#[cfg(feature = "serde")]
mod text {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    use super::DialWhenBusy;
    use crate::config::{format_duration, parse_duration};

    const IMMEDIATE: &str = "immediate";
    const IF_WAIT_EXCEEDS_CONNECT: &str = "if-wait-exceeds-connect";
    const NEVER: &str = "never";

    impl Serialize for DialWhenBusy {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Immediate => to.serialize_str(IMMEDIATE),
                Self::After(wait) => to.serialize_str(&format_duration(*wait)),
                Self::IfWaitExceedsConnect => to.serialize_str(IF_WAIT_EXCEEDS_CONNECT),
                Self::Never => to.serialize_str(NEVER),
            }
        }
    }

    impl<'de> Deserialize<'de> for DialWhenBusy {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let word = String::deserialize(from)?;
            match word.as_str() {
                IMMEDIATE => Ok(Self::Immediate),
                IF_WAIT_EXCEEDS_CONNECT => Ok(Self::IfWaitExceedsConnect),
                NEVER => Ok(Self::Never),
                wait => parse_duration(wait).map(Self::After).map_err(|_neither| {
                    D::Error::custom(format_args!(
                        "`{wait}` is neither a duration such as \"20ms\" nor one of \"{IMMEDIATE}\", \
                         \"{IF_WAIT_EXCEEDS_CONNECT}\", \"{NEVER}\""
                    ))
                }),
            }
        }
    }
}
