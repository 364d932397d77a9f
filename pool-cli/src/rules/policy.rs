//! A file of rules in the configuration: `[[access]] use = "rules-file"`.

use pool_core::registry::PolicyKind;
use pool_core::{Config, Registry};
use pool_health::{AccessAction, OptionDoc, Options, OptionsError, PrefixList};

use super::file::{RuleFile, Unreadable};

/// The name in configuration.
const NAME: &str = "rules-file";
const PATH: &str = "path";
const OPTIONS: &[OptionDoc] = &[OptionDoc::new(
    PATH,
    "the file of rules, which is watched; beside the configuration file that names it",
    None,
)];

/// Adds it to the policies that a configuration can name.
pub(crate) fn register(registry: Registry) -> Registry {
    registry.access(NAME, from_options).describe(
        PolicyKind::Access,
        NAME,
        "allows or denies addresses by the rules of a file",
        OPTIONS.iter().copied(),
    )
}

/// As the file is now. The command line takes these lists [out](take) of the configuration and watches their files.
fn from_options(options: &Options) -> Result<PrefixList, OptionsError> {
    options.finish(OPTIONS)?;
    let path = options.required(PATH)?;
    let loaded = file(path).read().map_err(|error| {
        let invalid = OptionsError::invalid(PATH, path, "a text file with one rule on each line");
        match error {
            Unreadable::Io(error) => invalid.with_source(error),
            Unreadable::Rules(error) => invalid.with_source(error),
        }
    })?;
    let list = PrefixList::default();
    list.replace(path, loaded.rules);
    Ok(list)
}

/// Looks for each file where `place` says, which is told the entry's number and what is written there.
pub(crate) fn find(config: &mut Config, place: impl Fn(usize, &str) -> String) {
    for (at, list) in config.access.iter_mut().enumerate() {
        if list.use_ == NAME
            && let Some(path) = list.options.get_mut(PATH)
        {
            *path = place(at, path);
        }
    }
}

/// Takes these lists out of the configuration. Each of them must allow an address, as every other list must.
pub(crate) fn take(config: &mut Config) -> Vec<RuleFile> {
    let of_file = |path: &String| file(path);
    let files = config.access.iter().filter(|list| list.use_ == NAME);
    let files = files.filter_map(|list| list.options.get(PATH).map(of_file));
    let files = files.collect();
    config.access.retain(|list| list.use_ != NAME);
    files
}

fn file(path: &str) -> RuleFile {
    RuleFile {
        path: path.into(),
        unsaid: AccessAction::Deny,
    }
}
