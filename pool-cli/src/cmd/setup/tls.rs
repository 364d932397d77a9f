//! The TLS connector that the flags about certificates ask for.

use std::path::Path;
use std::sync::Arc;

use pool_core::Config;
#[cfg(feature = "boring")]
use pool_core::registry::boring_from_options;
use pool_core::registry::rustls_from_options;
use pool_health::{Options, OptionsError};
use pool_tls::{Roots, TlsConfigError, TlsConnector};

use crate::args::NetworkArgs;
use crate::exit::{Failure, chain};
use crate::output::note;

/// The connector that the configuration names, with what the flags say; `None` if there are none of these flags.
///
/// # Errors
///
/// Exit 2: a file cannot be read or used, or the configuration names a backend that the flags are not for.
pub(super) fn connector(
    args: &NetworkArgs,
    config: &Config,
) -> Result<Option<Arc<dyn TlsConnector>>, Failure> {
    if args.cacert.is_none() && args.cert.is_none() && !args.insecure {
        return Ok(None);
    }
    let files = Files::read(args)?;
    let options = Options::from(config.tls.options.clone());
    let connector = match config.tls.use_.as_str() {
        "rustls" => rustls(&files, &options)?,
        #[cfg(feature = "boring")]
        "boring" => boring(&files, &options)?,
        #[cfg(feature = "boring")]
        "nearest" => {
            let both = [rustls(&files, &options)?, boring(&files, &options)?];
            Arc::new(pool_tls::Nearest::new(both))
        }
        other => {
            return Err(Failure::usage(
                format!(
                    "--cacert, --cert and -k are for the built-in TLS backends, and the configuration says tls.use = {other:?}"
                ),
                "leave these flags out, or set tls.use = \"rustls\"",
            ));
        }
    };
    if args.insecure {
        note(
            "WARNING: CERTIFICATES ARE NOT CHECKED (-k). WHOEVER IS ON THE PATH CAN READ AND CHANGE EVERYTHING.",
        );
    }
    Ok(Some(connector))
}

/// The contents of the files that the flags name, each with its name.
struct Files<'a> {
    cacert: Option<(&'a Path, Vec<u8>)>,
    cert: Option<(&'a Path, Vec<u8>, Vec<u8>)>,
    insecure: bool,
}

impl<'a> Files<'a> {
    fn read(args: &'a NetworkArgs) -> Result<Self, Failure> {
        let cacert = match &args.cacert {
            Some(path) => Some((path.as_path(), read_pem(path)?)),
            None => None,
        };
        let cert = match &args.cert {
            Some(path) => {
                let key = args.key.as_ref().unwrap_or(path);
                Some((path.as_path(), read_pem(path)?, read_pem(key)?))
            }
            None => None,
        };
        Ok(Self {
            cacert,
            cert,
            insecure: args.insecure,
        })
    }
}

/// The same calls on either builder, which have no trait in common.
macro_rules! backend {
    ($name:ident, $from_options:path) => {
        fn $name(files: &Files<'_>, options: &Options) -> Result<Arc<dyn TlsConnector>, Failure> {
            let mut builder = $from_options(options).map_err(bad_options)?;
            if let Some((path, pem)) = &files.cacert {
                let added = builder.roots(Roots::None).add_ca_pem(pem);
                builder = added.map_err(|error| unusable(path, &error))?;
            }
            if let Some((path, chain, key)) = &files.cert {
                let added = builder.client_cert_pem(chain, key);
                builder = added.map_err(|error| unusable(path, &error))?;
            }
            if files.insecure {
                builder = builder.danger_ACCEPT_ANY_CERTIFICATE();
            }
            Ok(Arc::new(builder.build().map_err(not_built)?))
        }
    };
}

backend!(rustls, rustls_from_options);
#[cfg(feature = "boring")]
backend!(boring, boring_from_options);

fn bad_options(error: OptionsError) -> Failure {
    Failure::usage(chain(&error), "`pool plugins list` prints what [tls] takes")
}

fn not_built(error: TlsConfigError) -> Failure {
    Failure::usage(
        chain(&error),
        "see that the private key belongs to the certificate",
    )
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
