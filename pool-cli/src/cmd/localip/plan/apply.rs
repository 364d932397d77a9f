//! Carries a plan out, and takes back what it has done and nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use pool_localip::Cidr;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::steps::{Plan, State};
use crate::exit::{Exit, Failure};
use crate::output::{Output, VERSION, note};

/// One change that was made. A line each, in the order they were made.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    v: u8,
    /// What was done.
    done: Action,
    /// What takes it back.
    undo: Action,
}

/// Where the changes for a prefix are written down: for as long as the machine runs, as the changes themselves.
pub(super) fn journal(prefix: Cidr) -> PathBuf {
    let name = prefix.to_string().replace('/', "_");
    Path::new("/run/pool-localip").join(format!("{name}.jsonl"))
}

/// Does what the plan needs and can be done from here, once the user has said yes.
pub(super) fn apply(plan: &Plan, journal: &Path, yes: bool) -> Result<Exit, Failure> {
    let needed = plan.steps.iter().filter(|step| step.state == State::Needed);
    let needed: Vec<&Action> = needed.filter_map(|step| step.action.as_ref()).collect();
    let (by_hand, actions): (Vec<&Action>, Vec<&Action>) = needed
        .into_iter()
        .partition(|it| matches!(it, Action::Script(_)));
    if !actions.is_empty() && !yes && !confirmed(&actions)? {
        note("nothing was changed");
        return Ok(Exit::SomeFailed);
    }
    let mut stdout = Output::stdout();
    let mut written = Journal::open(journal, !actions.is_empty())?;
    for action in actions {
        let undo = action.inverse();
        action.run().map_err(|error| refused(action, &error))?;
        if let Some(undo) = undo {
            written.add(action, undo)?;
        }
        stdout.line(&format!("done: {action}"))?;
    }
    for lines in &by_hand {
        stdout.line(&format!("for you to do:\n{lines}"))?;
    }
    Ok(if by_hand.is_empty() {
        Exit::AllGood
    } else {
        Exit::SomeFailed
    })
}

/// Takes back what is written down, the last first; what cannot be taken back stays written down.
pub(super) fn undo(journal: &Path) -> Result<Exit, Failure> {
    let text = match fs::read_to_string(journal) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            note("nothing is to be undone");
            return Ok(Exit::AllGood);
        }
        Err(error) => return Err(unwritable(journal, &error)),
    };
    let mut entries = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Entry>, _>>()
        .map_err(|error| {
            Failure::usage(
                format!("{} is no journal of --apply: {error}", journal.display()),
                "give the file that --apply has written",
            )
        })?;
    let mut stdout = Output::stdout();
    while let Some(Entry { done, undo, .. }) = entries.last() {
        if done.holds() {
            undo.run().map_err(|error| refused(undo, &error))?;
            stdout.line(&format!("done: {undo}"))?;
        } else {
            // Somebody else has set it to something else.
            stdout.line(&format!("left as it is now, for it changed since: {done}"))?;
        }
        entries.pop();
        let lines: Result<String, _> = entries.iter().map(line).collect();
        let left = lines.map_err(|error| unwritable(journal, &error.into()))?;
        fs::write(journal, left).map_err(|error| unwritable(journal, &error))?;
    }
    fs::remove_file(journal).map_err(|error| unwritable(journal, &error))?;
    Ok(Exit::AllGood)
}

/// The file that changes are written down in.
struct Journal<'a> {
    path: &'a Path,
    /// `None` where nothing is to be written.
    file: Option<fs::File>,
}

impl<'a> Journal<'a> {
    /// Opened before anything is changed, so that nothing is that cannot be taken back.
    fn open(path: &'a Path, needed: bool) -> Result<Self, Failure> {
        let open = || {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            OpenOptions::new().append(true).create(true).open(path)
        };
        let file = needed.then(open).transpose();
        let file = file.map_err(|error| unwritable(path, &error))?;
        Ok(Self { path, file })
    }

    fn add(&mut self, done: &Action, undo: Action) -> Result<(), Failure> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let entry = Entry {
            v: VERSION,
            done: done.clone(),
            undo,
        };
        let written = line(&entry)
            .map_err(io::Error::from)
            .and_then(|line| file.write_all(line.as_bytes()));
        written.map_err(|error| unwritable(self.path, &error))
    }
}

fn line(entry: &Entry) -> Result<String, serde_json::Error> {
    serde_json::to_string(entry).map(|text| format!("{text}\n"))
}

/// Shows what is to be done, and asks.
fn confirmed(actions: &[&Action]) -> Result<bool, Failure> {
    for action in actions {
        note(&format!("  {action}"));
    }
    note("Type yes to do this:");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| {
        Failure::environment(
            format!("cannot read the answer: {error}"),
            "give --yes to be asked nothing",
        )
    })?;
    Ok(answer.trim() == "yes")
}

fn refused(action: &Action, error: &io::Error) -> Failure {
    let message = format!("{action}: {error}");
    if error.kind() == ErrorKind::PermissionDenied {
        return Failure::environment(message, "run it as root");
    }
    Failure::item(
        message,
        "what came before it is done, and --undo takes it back",
    )
}

fn unwritable(journal: &Path, error: &io::Error) -> Failure {
    Failure::environment(
        format!("cannot keep a journal in {}: {error}", journal.display()),
        "run it as root, or give another file with --journal",
    )
}
