//! Why interfaces cannot be read, watched or chosen from.

use std::error::Error;
use std::fmt;
use std::io;

use crate::OptionsError;

/// The addresses of the interfaces cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum InterfacesError {
    /// This operating system has no netlink: reading interfaces works on Linux.
    Unsupported,
    /// The kernel refused, or could not be asked.
    Netlink {
        /// What was being done.
        doing: &'static str,
        /// What came of it.
        source: io::Error,
    },
    /// The kernel's answer cannot be read.
    Malformed {
        /// What was wrong with it.
        detail: String,
    },
    /// There is no interface of a name that the filter has.
    NoInterface {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The configuration makes no sense; `source()` names the option.
    Options(OptionsError),
}

impl fmt::Display for InterfacesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("interfaces can be read on Linux only"),
            Self::Netlink { doing, .. } => write!(f, "cannot {doing}"),
            Self::Malformed { detail } => {
                write!(f, "the kernel's answer cannot be read: {detail}")
            }
            Self::NoInterface { name, known } => {
                write!(
                    f,
                    "there is no interface {name:?}; there are {}",
                    known.join(", ")
                )
            }
            Self::Options(_) => f.write_str("the options make no sense"),
        }
    }
}

impl Error for InterfacesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Netlink { source, .. } => Some(source),
            Self::Options(source) => Some(source),
            _ => None,
        }
    }
}
