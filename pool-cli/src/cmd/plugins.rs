//! `pool plugins list`: the policies that a configuration can name.

use pool_core::Registry;
use pool_core::registry::{PolicyDoc, PolicyKind};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned};

#[derive(Serialize)]
struct Listed<'a> {
    plugins: Vec<Plugin<'a>>,
}

#[derive(Serialize)]
struct Plugin<'a> {
    section: &'static str,
    name: &'a str,
    summary: &'a str,
    options: Vec<PluginOption<'a>>,
}

#[derive(Serialize)]
struct PluginOption<'a> {
    key: &'a str,
    meaning: &'a str,
    /// `null` if it must be given.
    default: Option<&'a str>,
}

/// Prints every policy with its options, by section.
pub(crate) fn list(json: bool, registry: &Registry) -> Result<Exit, Failure> {
    let docs = registry.list();
    let mut stdout = Output::stdout();
    if json {
        let plugins = docs.iter().map(plugin).collect();
        stdout.json(&Versioned::new(Listed { plugins }))?;
    } else {
        stdout.write(text(&docs).as_bytes())?;
    }
    Ok(Exit::AllGood)
}

fn plugin(doc: &PolicyDoc) -> Plugin<'_> {
    Plugin {
        section: doc.kind.section(),
        name: &doc.name,
        summary: &doc.summary,
        options: doc
            .options
            .iter()
            .map(|option| PluginOption {
                key: &option.key,
                meaning: &option.meaning,
                default: option.default.as_deref(),
            })
            .collect(),
    }
}

fn text(docs: &[PolicyDoc]) -> String {
    let of_kind = |kind: PolicyKind| {
        let policies: String = docs
            .iter()
            .filter(|doc| doc.kind == kind)
            .map(policy)
            .collect();
        let policies = match &*policies {
            "" => "  (none is built in)\n",
            policies => policies,
        };
        format!("{}: {kind}\n{policies}", kind.section())
    };
    PolicyKind::ALL.map(of_kind).join("\n")
}

fn policy(doc: &PolicyDoc) -> String {
    let mut text = format!("  {:22}{}", doc.name, doc.summary);
    text.truncate(text.trim_end().len());
    text.push('\n');
    for option in &doc.options {
        let default = match option.default.as_deref() {
            Some("") => "optional".into(),
            Some(default) => format!("default {default}"),
            None => "required".into(),
        };
        let line = format!("    {:19} {} ({default})\n", option.key, option.meaning);
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_stands_under_its_section_with_its_options() {
        let text = text(&Registry::builtin().list());
        let eviction = text.find("eviction: eviction policy").unwrap();
        let idle = text.find("\n  idle").unwrap();
        let health = text.find("health: health check").unwrap();
        assert!(eviction < idle && idle < health, "{text}");
        assert!(text.contains("\n    after"), "{text}");
        // A kind without a policy is there to have one.
        assert!(
            text.contains("fingerprint.source: fingerprint source\n  (none is built in)\n"),
            "{text}"
        );
        // A long key does not run into what it means, and no default is not shown as one.
        assert!(text.contains("servers_with_tickets servers"), "{text}");
        assert!(!text.contains("(default )"), "{text}");
    }
}
