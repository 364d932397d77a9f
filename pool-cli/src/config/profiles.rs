//! The fingerprint profiles that a configuration names, read.

use pool_core::config::Fingerprint;
use pool_tls::spec::Profile;

use super::Setting;
use super::origin::{Origin, beside};
use crate::cmd::fingerprint;
use crate::exit::Failure;

/// Reads each profile, and calls it in `config` by the name that it has itself. The backend's own hello is not among them.
///
/// A file that a configuration file names is looked for beside that.
///
/// # Errors
///
/// Exit 2: a name that nobody knows, a file that is no profile, or two profiles of one name; with where it was said.
pub(super) fn read(
    config: &mut Fingerprint,
    settings: &[Setting],
) -> Result<Vec<(String, Profile)>, Failure> {
    let names = match &mut config.profiles[..] {
        [] => vec![("fingerprint.profile".to_owned(), &mut config.profile)],
        several => {
            let names = several.iter_mut().enumerate();
            let names =
                names.map(|(at, it)| (format!("fingerprint.profiles[{at}].use"), &mut it.use_));
            names.collect()
        }
    };
    let mut profiles: Vec<(String, Profile)> = vec![("native".to_owned(), Profile::native())];
    for (key, name) in names {
        let setting = settings.iter().find(|setting| setting.key == key);
        let origin = setting.map_or(&Origin::Default, |setting| &setting.origin);
        let given = if fingerprint::is_path(name) {
            beside(settings, &key, name)
        } else {
            name.clone()
        };
        let said = format!("{key} = {name:?} in {origin}");
        let profile = fingerprint::profile(&given).map_err(|failure| failure.within(&said))?;
        *name = profile.id.to_string();
        match profiles.iter().find(|(_, other)| other.id == profile.id) {
            None => profiles.push((given, profile)),
            Some((_, other)) if *other == profile => {}
            Some((other, _)) => {
                return Err(Failure::usage(
                    format!("{said}: it calls itself `{name}`, and so does {other}"),
                    "give it another name, in its first lines",
                ));
            }
        }
    }
    profiles.remove(0);
    Ok(profiles)
}
