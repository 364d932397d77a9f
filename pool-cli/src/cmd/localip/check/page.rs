//! A page that says which address it was asked from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use pool_core::{
    Body, Config, Pool, RequestOptions, ResolveEntry, SourceClass, StaticResolver, SystemResolver,
};
use pool_localip::AddrSet;

use super::Trouble;
use crate::exit::{Failure, chain};

/// A URL that is fetched from each address.
pub(super) struct Page {
    pool: Pool,
    uri: Uri,
}

/// How long connections have to close.
const GOODBYE: Duration = Duration::from_secs(1);

/// Pages that say an address are short.
const LONGEST: usize = 64 * 1024;

impl Page {
    /// A pool that knows these addresses of the host, and connects from these sources.
    ///
    /// # Errors
    ///
    /// Exit 2 if no pool can be made of them.
    pub(super) fn new(
        uri: Uri,
        host: &str,
        addrs: &[SocketAddr],
        sources: &[IpAddr],
    ) -> Result<Self, Failure> {
        let impossible = |error: &dyn std::error::Error| {
            Failure::usage(chain(error), "give an http:// or https:// URL")
        };
        let port = addrs.first().map_or(0, SocketAddr::port);
        let resolver = StaticResolver::new(Arc::new(SystemResolver));
        resolver.insert(ResolveEntry {
            host: host.to_ascii_lowercase(),
            port,
            addrs: addrs.iter().map(SocketAddr::ip).collect(),
        });
        let mut config = Config::default();
        config.dial.freebind = cfg!(target_os = "linux");
        let sources = AddrSet::new(sources.iter().copied()).map_err(|error| impossible(&error))?;
        let pool = Pool::builder()
            .local_addrs(Arc::new(sources))
            .resolver(Arc::new(resolver))
            .config(config)
            .build()
            .map_err(|error| impossible(&error))?;
        Ok(Self { pool, uri })
    }

    /// Fetches it from `source`; the address that it says, if it says one.
    pub(super) async fn meet(&self, source: IpAddr) -> Result<Option<IpAddr>, Trouble> {
        let options = RequestOptions::new().source(SourceClass::Exact(source));
        let request = Request::get(self.uri.clone())
            .extension(options)
            .body(Body::empty())
            .map_err(|error| Trouble::new("request", chain(&error)))?;
        let response = self
            .pool
            .request(request)
            .await
            .map_err(|error| Trouble::new(error.kind().code(), chain(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Trouble::new(
                "status",
                format!("the server answered {status}"),
            ));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| Trouble::new("body", error.to_string()))?;
        Ok(said(&String::from_utf8_lossy(&body.to_bytes())))
    }

    pub(super) async fn close(&self) {
        self.pool.close(GOODBYE).await;
    }
}

/// The address that is all of the body, or that its object names. `httpbin.org/ip` says "origin", most others "ip".
fn said(body: &str) -> Option<IpAddr> {
    if let Ok(addr) = body.trim().parse() {
        return Some(addr);
    }
    let object: serde_json::Value = serde_json::from_str(body).ok()?;
    let mut named = ["ip", "origin", "address"]
        .iter()
        .filter_map(|key| object.get(key)?.as_str());
    named.find_map(|text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_where_it_stands_alone_or_has_a_name() {
        for (body, expected) in [
            ("192.0.2.7\n", Some("192.0.2.7")),
            (r#"{"ip": "2001:db8::7"}"#, Some("2001:db8::7")),
            (r#"{"origin":"192.0.2.7"}"#, Some("192.0.2.7")),
            ("<p>nginx 1.2.3.4</p>", None),
            (r#"{"version":"1.2.3.4"}"#, None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(said(body), expected, "{body:?}");
        }
    }
}
