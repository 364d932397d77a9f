//! From `--deny` and `--allow` to an access list.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use pool_health::{AccessAction, AccessRule, IpPrefix, Moment, PrefixList, parse_rules_as};
use tokio::time::Instant;

use crate::args::{AccessArg, NetworkArgs};
use crate::exit::Failure;

/// The list that these flags describe; `None` without any. Each file is a source of its own.
///
/// # Errors
///
/// Exit 2 for a file that cannot be read or has a line that is no rule, for flags that contradict each other, and for allowing where
/// nothing is denied.
pub(super) fn list(args: &NetworkArgs) -> Result<Option<PrefixList>, Failure> {
    if args.deny.is_empty() && args.allow.is_empty() {
        return Ok(None);
    }
    let now = Moment {
        instant: Instant::now().into_std(),
        utc: SystemTime::now(),
    };
    let list = PrefixList::default();
    let (mut words, mut named) = (Vec::new(), BTreeMap::new());
    let mut denies = !args.deny.is_empty();
    let denied = args.deny.iter().map(|arg| (AccessAction::Deny, arg));
    let allowed = args.allow.iter().map(|arg| (AccessAction::Allow, arg));
    for (action, arg) in denied.chain(allowed) {
        match arg {
            AccessArg::File(path) => {
                let rules = read(path, action, now)?;
                denies |= rules.iter().any(|rule| rule.action == AccessAction::Deny);
                add_file(&list, path, rules)?;
            }
            AccessArg::Word(prefixes) => {
                words.extend(prefixes.iter().map(|&prefix| (prefix, action)));
            }
            AccessArg::Prefix(prefix) => {
                if named.insert(*prefix, action).is_some_and(|a| a != action) {
                    return Err(contradiction(*prefix));
                }
            }
        }
    }
    if !denies {
        return Err(Failure::usage(
            "--allow makes exceptions, and nothing is denied",
            "--deny all with it allows nothing else",
        ));
    }
    // Of two words for one prefix the one that denies stays, and before both goes a flag that names the prefix.
    words.sort_by_key(|&(_, action)| action);
    let all = words.into_iter().chain(named);
    list.replace(
        FLAGS,
        all.map(|(prefix, action)| AccessRule::new(action, prefix)),
    );
    Ok(Some(list))
}

fn read(path: &Path, unsaid: AccessAction, now: Moment) -> Result<Vec<AccessRule>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            format!("cannot read the rules in {}: {error}", path.display()),
            "give a text file with one rule on each line",
        )
    })?;
    parse_rules_as(unsaid, &text, now).map_err(|error| {
        Failure::usage(
            format!("{}: {error}", path.display()),
            "a line is `deny 192.0.2.0/24 # reason`, `allow 192.0.2.9` or an address; it may end, with `for=10m` or `until=TIME`",
        )
    })
}

/// A file may be given to both flags: then it has two meanings.
fn add_file(list: &PrefixList, path: &Path, rules: Vec<AccessRule>) -> Result<(), Failure> {
    let source = path.display().to_string();
    let known = list.sources();
    if known.iter().any(|(name, _)| **name == *source) {
        return Err(Failure::usage(
            format!("{source} is given twice"),
            "write `allow` or `deny` before each address in the file, and give it once",
        ));
    }
    list.replace(&source, rules);
    Ok(())
}

fn contradiction(prefix: IpPrefix) -> Failure {
    Failure::usage(
        format!("{prefix} is to be denied and allowed"),
        "leave one of them out",
    )
}

/// The source of the rules that flags give.
const FLAGS: &str = "the command line";
