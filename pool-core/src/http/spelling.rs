//! How the fields of a request are written on HTTP/1.1.

use std::sync::Arc;

use http::HeaderName;
use http::header::InvalidHeaderName;

/// The spelling and the order of the fields of an HTTP/1.1 request, for peers that look at them; put it into the request's
/// extensions.
///
/// A [`HeaderMap`](http::HeaderMap) knows names in lower case only. The fields named here go out first, in this order and
/// spelled so, those that the pool adds included (`Host`, `Content-Length`, `Transfer-Encoding`); the others follow as they
/// are in the map. A name that the request has no field for is passed over. HTTP/2 has lower-case names only, and the hyper
/// engine does not look here.
///
/// ```
/// use pool_core::HeaderSpelling;
///
/// let mut request = http::Request::get("https://a.test/").header("accept", "*/*").body(())?;
/// request.extensions_mut().insert(HeaderSpelling::new(["Host", "Accept"])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeaderSpelling(Arc<[Box<str>]>);

impl HeaderSpelling {
    /// These names, in this order.
    ///
    /// # Errors
    ///
    /// One of them is no field name.
    pub fn new<N: Into<String>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, InvalidHeaderName> {
        let names = names.into_iter().map(|name| {
            let name = name.into();
            HeaderName::from_bytes(name.as_bytes())?;
            Ok(name.into_boxed_str())
        });
        names.collect::<Result<_, _>>().map(Self)
    }

    /// Gives each field to `write`: in this order those that are named, then the others.
    pub(super) fn each(&self, fields: &[(&str, &[u8])], mut write: impl FnMut(&str, &[u8])) {
        let is = |spelled: &str, name: &str| spelled.eq_ignore_ascii_case(name);
        for spelled in &*self.0 {
            for (_, value) in fields.iter().filter(|(name, _)| is(spelled, name)) {
                write(spelled, value);
            }
        }
        for (name, value) in fields {
            if !self.0.iter().any(|spelled| is(spelled, name)) {
                write(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["", "a b", "a\r\nb", "ä", "a:"] {
            assert!(HeaderSpelling::new([wrong]).is_err(), "{wrong:?}");
        }
    }
}
