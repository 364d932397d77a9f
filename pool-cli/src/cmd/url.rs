//! URLs as people type them.

use http::Uri;
use http::uri::Authority;

/// An absolute `http://` or `https://` URL.
pub(crate) fn parse_url(text: &str) -> Result<Uri, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let fits = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|s| s.eq_ignore_ascii_case(scheme))
    };
    if !scheme.is_some_and(fits) {
        return Err("not a whole URL: it does not begin with https:// or http://".into());
    }
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
        return Err("not a whole URL: there is no host".into());
    }
    let uri: Uri = text
        .parse()
        .map_err(|error| format!("not a URL: {error}"))?;
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(
            "a name and password in a URL are not sent; use a header such as Authorization".into(),
        ),
        // Its parser takes digits of any number.
        Some(authority) if !is_port(authority) => {
            Err("not a URL: the port is not one from 1 to 65535".into())
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => Err("not a whole URL: there is no host".into()),
    }
}

/// Whether what stands after the host is a port, or nothing.
fn is_port(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        Some("" | ":") => true,
        _ => authority.port_u16().is_some_and(|port| port > 0),
    }
}
