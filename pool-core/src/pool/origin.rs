//! What a URL names, and what connections to it need.

use http::Uri;
use pool_tls::{FingerprintContext, ProfileId, TlsConfigId};

use super::{Inner, RequestOptions};
use crate::authority::{self, host_and_port};
use crate::error::{BoxError, Error, ErrorKind};
use crate::http::HttpConn;
use crate::key::{Key, Protocols, Scheme, SourceClass};
use crate::manager::HostHandle;

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

fn scheme_of(uri: &Uri) -> Option<Scheme> {
    match uri.scheme_str()? {
        "https" => Some(Scheme::Https),
        "http" => Some(Scheme::Http),
        _ => None,
    }
}

/// Scheme, host and port of an absolute URI; an IPv6 address comes without brackets.
pub(super) fn origin_of(uri: &Uri) -> Result<(Scheme, &str, u16), Error> {
    let Some(scheme) = scheme_of(uri) else {
        return Err(bad(
            uri,
            match uri.scheme() {
                Some(_) => "only http:// and https:// can be sent",
                None => "the URL must be absolute, with http:// or https://",
            },
        ));
    };
    let (host, port) = uri
        .authority()
        .filter(|authority| authority::is_whole(authority))
        .map(host_and_port)
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| bad(uri, "the URL has no host, or one that cannot be read"))?;
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
    let mut key = Key::new(scheme, host, port)
        .protocols(protocols(inner, options))
        .source(options.source.clone())
        .partition(options.partition.clone());
    if let Some((profile, tls)) = identity(inner, &key, options) {
        key = key.profile(profile).tls(tls);
    }
    Ok(key)
}

/// What connections this URI and these options need under each profile that a request may travel under, or under these.
///
/// # Errors
///
/// As [`key_of`]; a profile that the pool does not have, or one in plain text.
pub(crate) fn keys_of(
    inner: &Inner,
    uri: &Uri,
    options: &RequestOptions,
    profiles: Option<&[ProfileId]>,
) -> Result<Vec<Key>, Error> {
    let key = key_of(inner, uri, options)?;
    let plugins = &inner.env.plugins;
    if key.scheme() == Scheme::Http {
        return match profiles {
            Some([_, ..]) => Err(bad(uri, "no profile shows in plain text")),
            Some([]) | None => Ok(vec![key]),
        };
    }
    let named = match profiles {
        Some(named) => named.to_vec(),
        None => with_context(&key, options, |cx| plugins.every_profile(cx)),
    };
    let known = |id: ProfileId| match plugins.profiles.get(&id) {
        Some(_) => Ok(key.clone().profile(id)),
        None => Err(bad(uri, format!("the pool has no profile {id}"))),
    };
    named.into_iter().map(known).collect()
}

/// The host of this URI and these options.
pub(super) fn host_of(
    inner: &Inner,
    uri: &Uri,
    options: &RequestOptions,
) -> Result<HostHandle<HttpConn>, Error> {
    let plain = options.source == SourceClass::Any && options.partition.name().is_none();
    let authority = uri.authority().filter(|_| plain);
    let (Some(scheme), Some(authority)) = (scheme_of(uri), authority) else {
        return Ok(inner.manager.host(&key_of(inner, uri, options)?));
    };
    let key = match inner.familiar.find(scheme, authority) {
        None => key_of(inner, uri, options)?,
        Some(host) => {
            let protocols = protocols(inner, options);
            let identity = identity(inner, host.key(), options);
            if host.key().is_plain(protocols, identity.as_ref()) {
                return Ok(host);
            }
            host.key().plain(protocols, identity)
        }
    };
    let host = inner.manager.host(&key);
    inner.familiar.put(scheme, authority, &host);
    Ok(host)
}

fn protocols(inner: &Inner, options: &RequestOptions) -> Protocols {
    options
        .protocols
        .unwrap_or_else(|| inner.env.live().config.protocols)
}

/// The TLS profile and configuration of the next connection; none in plain text. The fingerprint source is asked for every
/// request, and knows the host as the key has it: one host has one profile, however its name is written.
fn identity(
    inner: &Inner,
    key: &Key,
    options: &RequestOptions,
) -> Option<(ProfileId, TlsConfigId)> {
    if key.scheme() == Scheme::Http {
        return None;
    }
    let plugins = &inner.env.plugins;
    let profile = with_context(key, options, |cx| plugins.profile(cx));
    Some((profile, plugins.tls_config))
}

/// What a fingerprint source may know of these options.
fn with_context<R>(
    key: &Key,
    options: &RequestOptions,
    ask: impl FnOnce(&FingerprintContext<'_>) -> R,
) -> R {
    let exact = match &options.source {
        SourceClass::Exact(addr) => Some(addr.to_string()),
        SourceClass::Any | SourceClass::Named(_) => None,
    };
    let class = match &options.source {
        SourceClass::Named(name) => Some(&**name),
        SourceClass::Any | SourceClass::Exact(_) => exact.as_deref(),
    };
    let cx = FingerprintContext::new(key.host(), key.port())
        .with_partition(options.partition.name())
        .with_source_class(class);
    ask(&cx)
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
            ("https://[::1]8:80/", None),
            ("https://u@[::1]8/", None),
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
