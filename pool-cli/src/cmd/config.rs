//! `pool config show`: the effective configuration, and where each value comes from.

use pool_core::Registry;
use serde::Serialize;

use crate::args::SettingArgs;
use crate::config::{self, Circumstances, Setting};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned};

#[derive(Serialize)]
struct Shown<'a> {
    settings: &'a [Setting],
}

/// Prints every setting, as TOML with comments or as one JSON object.
pub(crate) fn show(
    args: &SettingArgs,
    json: bool,
    registry: &Registry,
    open_files: u64,
) -> Result<Exit, Failure> {
    let around = Circumstances {
        open_files,
        all_private: false,
        concurrency: None,
    };
    let effective = config::load(args, around, registry)?;
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(Shown {
            settings: &effective.settings,
        }))?;
    } else {
        stdout.write(toml(&effective.settings).as_bytes())?;
    }
    Ok(Exit::AllGood)
}

/// A configuration file with these settings: what is on the top level first, then a table per section.
fn toml(settings: &[Setting]) -> String {
    let (top, nested): (Vec<_>, Vec<_>) = settings
        .iter()
        .partition(|setting| setting.section.is_empty());
    let lines = top.into_iter().chain(nested).map(|setting| {
        let line = format!("{} = {}", bare_or_quoted(&setting.name), setting.value);
        (setting.section.as_str(), line, &setting.origin)
    });
    let lines: Vec<_> = lines.collect();
    let width = lines.iter().map(|(_, line, _)| line.chars().count()).max();
    let width = width.unwrap_or(0).min(48);

    let mut text = String::new();
    let mut current = "";
    for (section, line, origin) in lines {
        if section != current {
            text.push_str(&heading(section));
            current = section;
        }
        text.push_str(&format!("{line:width$}  # {origin}\n"));
    }
    text
}

/// `limits` is a table; `eviction[0]` is one item of a list of tables.
fn heading(section: &str) -> String {
    match section.split_once('[') {
        Some((list, _)) => format!("\n[[{list}]]\n"),
        None => format!("\n[{section}]\n"),
    }
}

fn bare_or_quoted(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.into()
    } else {
        serde_json::Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_shown_can_be_read_back_as_a_file() {
        let around = Circumstances {
            open_files: 1024,
            all_private: true,
            concurrency: None,
        };
        let registry = Registry::builtin();
        let first = config::load(&SettingArgs::default(), around, &registry).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml(&first.settings).as_bytes()).unwrap();
        let args = SettingArgs {
            config: Some(file.path().to_owned()),
            ..SettingArgs::default()
        };
        let around = Circumstances {
            all_private: false,
            ..around
        };
        let second = config::load(&args, around, &registry).unwrap();
        assert_eq!(second.config, first.config);
        assert_eq!(second.config.limits.per_host, 256);
    }

    #[test]
    fn tables_within_a_section_come_after_its_own_settings() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let lines = "[fingerprint]\nseed = 7\n[[fingerprint.profiles]]\nuse = 'firefox-esr-153'\n\
            [[fingerprint.profiles]]\nuse = 'native'\nweight = 3\n";
        file.write_all(lines.as_bytes()).unwrap();
        let around = Circumstances {
            open_files: 1024,
            all_private: false,
            concurrency: None,
        };
        let registry = Registry::builtin();
        let args = SettingArgs {
            config: Some(file.path().to_owned()),
            ..SettingArgs::default()
        };
        let first = config::load(&args, around, &registry).unwrap();
        let shown = toml(&first.settings);
        std::fs::write(file.path(), &shown).unwrap();
        let second = config::load(&args, around, &registry)
            .unwrap_or_else(|failure| panic!("{failure:?}: {shown}"));
        assert_eq!(second.config, first.config);
        assert_eq!(second.config.fingerprint.profiles[1].weight, 3);
    }
}
