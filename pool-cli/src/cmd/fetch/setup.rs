//! From flags and configuration to a pool.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use pool_core::registry::rustls_from_options;
use pool_core::{Config, Pool, Registry, StaticResolver, SystemResolver};
use pool_health::Options;
use pool_localip::{AddrSet, LocalAddrAllocator};
use pool_tls::{Roots, RustlsConnector, TlsConfigError};

use super::input::parse_url;
use crate::args::FetchArgs;
use crate::exit::{Failure, chain};
use crate::output::note;

/// The pool that these flags describe, on top of the configuration.
///
/// # Errors
///
/// Exit 2 for certificates that cannot be read and policies that refuse; exit 3 for a source address that this machine
/// does not have.
pub(super) fn pool(args: &FetchArgs, config: Config, registry: Registry) -> Result<Pool, Failure> {
    let sources = sources(args, &config, &registry)?;
    for source in sources.sources() {
        check_source(source)?;
    }
    let resolver = StaticResolver::new(Arc::new(SystemResolver));
    for entry in &args.resolve {
        resolver.insert(entry.clone());
    }
    let mut builder = Pool::builder()
        .local_addrs(sources)
        .resolver(Arc::new(resolver));
    if let Some(tls) = tls(args, &config)? {
        builder = builder.tls(Arc::new(tls));
    }
    let built = builder.config(config).registry(registry).build();
    built.map_err(|error| {
        Failure::usage(
            format!("cannot make the pool: {}", chain(&error)),
            "`pool config show` prints the configuration, `pool plugins list` the policies",
        )
    })
}

/// Whether every target is known, without a lookup, to be on this machine or a private network.
pub(super) fn all_private(args: &FetchArgs) -> bool {
    // What lines will come is not known; what is malformed is never connected to.
    args.input.is_none()
        && args
            .urls
            .iter()
            .filter_map(|url| parse_url(url).ok())
            .all(|uri| is_private_target(&uri, args))
}

fn is_private_target(uri: &Uri, args: &FetchArgs) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let default_port = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = uri.port_u16().unwrap_or(default_port);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    // The last entry for a host counts, as in the resolver.
    let by_hand = args.resolve.iter().rev();
    if let Some(entry) = by_hand
        .into_iter()
        .find(|e| e.host == name && e.port == port)
    {
        return entry.addrs.iter().copied().all(is_private);
    }
    match host.parse() {
        Ok(addr) => is_private(addr),
        Err(_) => name == "localhost",
    }
}

fn is_private(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.is_loopback() || addr.is_private() || addr.is_link_local(),
        IpAddr::V6(addr) => {
            addr.is_loopback() || addr.is_unique_local() || addr.is_unicast_link_local()
        }
    }
}

fn sources(
    args: &FetchArgs,
    config: &Config,
    registry: &Registry,
) -> Result<Arc<dyn LocalAddrAllocator>, Failure> {
    if args.source.is_empty() {
        // The configuration was checked, and this policy with it.
        return registry.build_localip(&config.localip).map_err(|error| {
            Failure::usage(
                chain(&error),
                "`pool plugins list` prints what [localip] takes",
            )
        });
    }
    match AddrSet::new(args.source.iter().copied()) {
        Ok(set) => Ok(Arc::new(set)),
        Err(error) => Err(Failure::usage(
            error.to_string(),
            "give addresses that connections can come from",
        )),
    }
}

/// Binds the address for a moment, as a connection would.
fn check_source(source: IpAddr) -> Result<(), Failure> {
    UdpSocket::bind((source, 0)).map(drop).map_err(|error| {
        Failure::environment(
            format!("cannot use {source} as a source: {error}"),
            "give an address that this machine has; `ip addr` lists them",
        )
    })
}

/// The connector that the flags about certificates ask for; `None` if there are none of these flags.
fn tls(args: &FetchArgs, config: &Config) -> Result<Option<RustlsConnector>, Failure> {
    if args.cacert.is_none() && args.cert.is_none() && !args.insecure {
        return Ok(None);
    }
    if config.tls.use_ != "rustls" {
        return Err(Failure::usage(
            format!(
                "--cacert, --cert and -k are for rustls, and the configuration says tls.use = {:?}",
                config.tls.use_
            ),
            "leave these flags out, or set tls.use = \"rustls\"",
        ));
    }
    let options = Options::from(config.tls.options.clone());
    let mut builder = rustls_from_options(&options).map_err(|error| {
        Failure::usage(chain(&error), "`pool plugins list` prints what [tls] takes")
    })?;
    if let Some(path) = &args.cacert {
        builder = builder.roots(Roots::None);
        let added = builder.add_ca_pem(&read_pem(path)?);
        builder = added.map_err(|error| unusable(path, &error))?;
    }
    if let Some(cert) = &args.cert {
        let key = args.key.as_ref().unwrap_or(cert);
        let added = builder.client_cert_pem(&read_pem(cert)?, &read_pem(key)?);
        builder = added.map_err(|error| unusable(cert, &error))?;
    }
    if args.insecure {
        note(
            "WARNING: CERTIFICATES ARE NOT CHECKED (-k). WHOEVER IS ON THE PATH CAN READ AND CHANGE EVERYTHING.",
        );
        builder = builder.danger_ACCEPT_ANY_CERTIFICATE();
    }
    let built = builder.build().map(Some);
    built.map_err(|error| {
        Failure::usage(
            chain(&error),
            "see that the private key belongs to the certificate",
        )
    })
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::usage(
            format!("cannot read {}: {error}", path.display()),
            "give a PEM file",
        )
    })
}

fn unusable(path: &Path, error: &TlsConfigError) -> Failure {
    Failure::usage(
        format!("{}: {}", path.display(), chain(error)),
        "give a PEM file; --key names the private key if it is in another one",
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn private(args: &[&str]) -> bool {
        let all = ["pool", "fetch"].iter().chain(args);
        match Args::try_parse_from(all)
            .unwrap_or_else(|e| panic!("{e}"))
            .command
        {
            Command::Fetch(args) => all_private(&args),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn only_targets_that_are_known_to_be_near_are_private() {
        for near in [
            &["http://127.0.0.1/"][..],
            &["https://[::1]:8443/", "http://localhost/"],
            &[
                "https://10.1.2.3/",
                "https://192.168.0.1/",
                "https://[fd00::1]/",
            ],
            &[
                "https://a.test/",
                "--resolve",
                "a.test:443:127.0.1.1,127.0.1.2",
            ],
        ] {
            assert!(private(near), "{near:?}");
        }
        for far in [
            &["https://a.test/"][..],
            &["https://127.0.0.1/", "https://192.0.2.1/"],
            &[
                "https://a.test/",
                "--resolve",
                "a.test:443:127.0.1.1,192.0.2.1",
            ],
            &["https://a.test:8443/", "--resolve", "a.test:443:127.0.1.1"],
            &["https://127.0.0.1/", "-i", "more"],
        ] {
            assert!(!private(far), "{far:?}");
        }
    }
}
