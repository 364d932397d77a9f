//! What a URL names, and what connections to it need.

use http::Uri;
use pool_tls::{FingerprintContext, TlsConfigId};

use super::{Inner, RequestOptions};
use crate::authority::{self, host_and_port};
use crate::error::{BoxError, Error, ErrorKind};
use crate::key::{Key, Scheme, SourceClass};

/// A request that cannot be sent.
pub(crate) fn bad(url: impl std::fmt::Display, why: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Request)
        .with_host(without_secrets(&url.to_string()))
        .with_source(why)
}

/// A URL as errors and logs may show it, whole or malformed: without user info and without the query, where passwords
/// and tokens are.
pub(crate) fn without_secrets(url: &str) -> String {
    let url = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

/// Scheme, host and port of an absolute URI; an IPv6 address comes without brackets.
pub(super) fn origin_of(uri: &Uri) -> Result<(Scheme, &str, u16), Error> {
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        Some(_) => return Err(bad(uri, "only http:// and https:// can be sent")),
        None => {
            return Err(bad(
                uri,
                "the URL must be absolute, with http:// or https://",
            ));
        }
    };
    let (host, port) = uri
        .authority()
        .map(host_and_port)
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| bad(uri, "the URL has no host"))?;
    // The http crate takes any digits for a port and then says that there is none, so that `:99999` would mean the
    // scheme's port, and another server.
    let port = match port {
        None | Some("") => scheme.default_port(),
        Some(digits) => authority::port(digits)
            .ok_or_else(|| bad(uri, "the port is not one from 1 to 65535"))?,
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Ok((scheme, host, port))
}

/// What connections this URI and these options need.
pub(crate) fn key_of(inner: &Inner, uri: &Uri, options: &RequestOptions) -> Result<Key, Error> {
    let (scheme, host, port) = origin_of(uri)?;
    let env = &inner.env;
    let protocols = options
        .protocols
        .unwrap_or_else(|| env.live().config.protocols);
    let mut key = Key::new(scheme, host, port)
        .protocols(protocols)
        .source(options.source.clone())
        .partition(options.partition.clone());
    if scheme == Scheme::Https {
        let exact = match &options.source {
            SourceClass::Exact(addr) => Some(addr.to_string()),
            SourceClass::Any | SourceClass::Named(_) => None,
        };
        let class = match &options.source {
            SourceClass::Named(name) => Some(&**name),
            SourceClass::Any | SourceClass::Exact(_) => exact.as_deref(),
        };
        let tls: TlsConfigId = env.plugins.tls.config_id();
        // As the key has it: one host has one profile, however its name is written.
        let cx = FingerprintContext::new(key.host(), port)
            .with_partition(options.partition.name())
            .with_source_class(class);
        let profile = env.plugins.profile(&cx);
        key = key.profile(profile).tls(tls);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_a_url_without_its_secrets() {
        for (url, shown) in [
            ("https://user:pw@a.test/p?token=t#f", "https://a.test/p"),
            ("https://a@b:pw@a.test", "https://a.test"),
            ("user:pw@a.test/p", "a.test/p"),
            ("https://a.test/@p", "https://a.test/@p"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
        let error = bad("ftp://user:pw@a.test/?token=t", "no");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("pw") && !text.contains("token"), "{text}");
    }

    #[test]
    fn a_port_that_is_none_is_an_error_and_not_the_default() {
        for (url, port) in [
            ("https://a.test:99999/", None),
            ("https://a.test:8o/", None),
            ("https://u:1@[::1]:65536", None),
            ("https://a.test:0/", None),
            ("https://u:1@a.test/", Some(443)),
            ("https://[::1]", Some(443)),
            ("https://a.test:/", Some(443)),
            ("http://u:1@[::1]:8080", Some(8080)),
        ] {
            let uri: Uri = url.parse().unwrap();
            let found = origin_of(&uri).map(|(_, _, port)| port);
            assert_eq!(found.as_ref().ok(), port.as_ref(), "{url}");
        }
    }
}
