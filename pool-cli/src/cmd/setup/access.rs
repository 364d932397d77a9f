//! From `--deny`, `--allow` and `--bans` to an access list, and to what keeps it up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::Observer;
use pool_health::{AccessAction, AccessRule, IpPrefix, PrefixList};

use super::bans::Bans;
use crate::args::{AccessArg, BanArgs, NetworkArgs};
use crate::cmd::access::hint;
use crate::exit::Failure;
use crate::rules::edit::Edits;
use crate::rules::file::{Loaded, RuleFile, Unreadable};
use crate::rules::keeper::Keeper;
use crate::rules::store::update;

/// The list that some flags describe.
pub(super) struct Access {
    pub(super) list: Arc<PrefixList>,
    /// Who bans.
    pub(super) bans: Option<Arc<dyn Observer>>,
}

/// The lists of the configuration that are files, each by itself, watched by `keeper`.
///
/// # Errors
///
/// Exit 2 for a file that cannot be read or has a line that is no rule.
pub(super) fn configured(
    files: Vec<RuleFile>,
    keeper: &mut Keeper,
) -> Result<Vec<Arc<PrefixList>>, Failure> {
    let list = |file: RuleFile| {
        let list = Arc::new(PrefixList::default());
        let loaded = readable(&file.path, file.read())?;
        keeper.watch(&list, file, loaded);
        Ok(list)
    };
    files.into_iter().map(list).collect()
}

/// What these flags describe; `None` without any. Each file is a source of its own, watched by `keeper`.
///
/// # Errors
///
/// Exit 2 for a file that cannot be read or has a line that is no rule, for flags that contradict each other, and for allowing where
/// nothing is denied.
pub(super) fn access(args: &NetworkArgs, keeper: &mut Keeper) -> Result<Option<Access>, Failure> {
    if args.deny.is_empty() && args.allow.is_empty() && args.bans.file.is_none() {
        return Ok(None);
    }
    let list = Arc::new(PrefixList::default());
    let (mut words, mut named) = (Vec::new(), BTreeMap::new());
    let mut sources = BTreeSet::new();
    let mut denies = !args.deny.is_empty() || args.allow.is_empty();
    let denied = args.deny.iter().map(|arg| (AccessAction::Deny, arg));
    let allowed = args.allow.iter().map(|arg| (AccessAction::Allow, arg));
    for (unsaid, arg) in denied.chain(allowed) {
        match arg {
            AccessArg::File(path) => {
                let path = path.clone();
                let file = RuleFile { path, unsaid };
                let loaded = readable(&file.path, file.read())?;
                let mut rules = loaded.rules.iter();
                denies |= rules.any(|rule| rule.action == AccessAction::Deny);
                once(&mut sources, &file)?;
                keeper.watch(&list, file, loaded);
            }
            AccessArg::Word(prefixes) => {
                words.extend(prefixes.iter().map(|&prefix| (prefix, unsaid)));
            }
            AccessArg::Prefix(prefix) => {
                if named.insert(*prefix, unsaid).is_some_and(|a| a != unsaid) {
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
    let bans = match &args.bans.file {
        Some(path) => keep_bans(path, &args.bans, &list, keeper, &mut sources)?,
        None => None,
    };
    Ok(Some(Access { list, bans }))
}

/// Loads the file of bans, which is made if there is none. Returns who adds to it, if anybody is to.
fn keep_bans(
    path: &Path,
    args: &BanArgs,
    list: &Arc<PrefixList>,
    keeper: &mut Keeper,
    sources: &mut BTreeSet<String>,
) -> Result<Option<Arc<dyn Observer>>, Failure> {
    let file = RuleFile {
        path: path.to_owned(),
        unsaid: AccessAction::Deny,
    };
    once(sources, &file)?;
    let edits = Edits {
        forget_expired: true,
        ..Edits::default()
    };
    let updated = update(&file, &edits).map(|updated| updated.loaded);
    let loaded = readable(path, updated)?;
    let source = file.source();
    keeper.keep_bans(list, file, loaded);
    Ok(args.after.map(|after| {
        let bans = Bans {
            list: Arc::clone(list),
            source,
            after,
            lasting: args.lasting.unwrap_or(BAN),
            ejections: Mutex::default(),
        };
        Arc::new(bans) as Arc<dyn Observer>
    }))
}

/// What was read, or what is wrong with the file.
fn readable(path: &Path, read: Result<Loaded, Unreadable>) -> Result<Loaded, Failure> {
    read.map_err(|error| Failure::usage(error.at(path), hint(&error)))
}

/// A file may be given to several flags: then it has several meanings.
fn once(sources: &mut BTreeSet<String>, file: &RuleFile) -> Result<(), Failure> {
    let source = file.source();
    if sources.insert(source.clone()) {
        return Ok(());
    }
    Err(Failure::usage(
        format!("{source} is given twice"),
        "write `allow` or `deny` before each address in the file, and give it once",
    ))
}

fn contradiction(prefix: IpPrefix) -> Failure {
    Failure::usage(
        format!("{prefix} is to be denied and allowed"),
        "leave one of them out",
    )
}

/// How long a ban lasts if nobody says.
const BAN: Duration = Duration::from_secs(600);
/// The source of the rules that flags give.
const FLAGS: &str = "the command line";
