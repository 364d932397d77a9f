//! The port of a URL.

use http::Uri;

use crate::key::Scheme;

/// The port that the URL names, or the scheme's if it names none; `None` if it names what no port can be.
///
/// The `http` crate takes any digits for a port and then says that there is none, so that `:99999` would mean the
/// scheme's port, and another server.
pub(super) fn port_of(uri: &Uri, scheme: Scheme) -> Option<u16> {
    let authority = uri.authority()?;
    let (_, host_and_port) = authority
        .as_str()
        .rsplit_once('@')
        .unwrap_or(("", authority.as_str()));
    match host_and_port.strip_prefix(authority.host())? {
        "" | ":" => Some(scheme.default_port()),
        _ => authority.port_u16().filter(|port| *port > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(url: &str) -> Option<u16> {
        port_of(&url.parse().unwrap(), Scheme::Https)
    }

    #[test]
    fn a_port_that_is_none_is_never_the_schemes() {
        for url in ["https://a.test:99999/", "https://a.test:0/"] {
            assert_eq!(port(url), None, "{url}");
        }
        assert_eq!(port("https://[::1]:65536/"), None);
        assert_eq!(port("https://user:1@a.test:65536/"), None);
    }

    #[test]
    fn a_url_without_a_port_means_the_schemes() {
        for url in [
            "https://a.test/",
            "https://a.test:/",
            "https://[::1]/",
            "https://user:1@a.test",
        ] {
            assert_eq!(port(url), Some(443), "{url}");
        }
        assert_eq!(port("https://[::1]:65535/"), Some(65535));
        assert_eq!(port("https://user:1@a.test:2/"), Some(2));
    }
}
