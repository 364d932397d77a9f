//! The task that keeps an access list and its files alike while the program runs.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::Pool;
use pool_health::{AccessChangeKind, AccessRule, PrefixList, format_rules};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::edit::Edits;
use super::file::{Loaded, RuleFile, Stamp};
use super::now;
use super::store::{Updated, update};
use crate::output::note;

/// Watches files of rules, and writes the bans of this run into one of them.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    watched: Vec<Watched>,
    bans: Option<BanFile>,
}

/// A file, and which state of it has been dealt with.
#[derive(Debug)]
struct Watched {
    list: Arc<PrefixList>,
    file: RuleFile,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// This one is in force, or has been complained about.
    Settled(Option<Stamp>),
    /// It was this at the last look: it may be only half written.
    Changing(Option<Stamp>),
}

impl Watched {
    fn new(list: &Arc<PrefixList>, file: RuleFile, stamp: Option<Stamp>) -> Self {
        Self {
            list: Arc::clone(list),
            file,
            seen: Seen::Settled(stamp),
        }
    }

    /// Whether the file is to be read, now that it is this.
    fn look(&mut self, stamp: Option<Stamp>) -> bool {
        let (seen, read) = match self.seen {
            Seen::Settled(known) if known == stamp => (self.seen, false),
            Seen::Changing(last) if last == stamp => (Seen::Settled(stamp), true),
            Seen::Settled(_) | Seen::Changing(_) => (Seen::Changing(stamp), false),
        };
        self.seen = seen;
        read
    }
}

/// The file that has the bans of this run and of earlier ones.
#[derive(Debug)]
struct BanFile {
    watched: Watched,
    fresh: Arc<Fresh>,
    /// What was wrong with the file when last it was written, so that it is said once.
    complaint: Option<String>,
}

/// Bans that are in force and not yet in the file.
#[derive(Debug, Default)]
struct Fresh {
    rules: Mutex<Vec<AccessRule>>,
    changed: Notify,
}

impl Fresh {
    fn with<R>(&self, f: impl FnOnce(&mut Vec<AccessRule>) -> R) -> R {
        f(&mut self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keeper {
    /// Whether there is anything to watch.
    pub(crate) fn has_work(&self) -> bool {
        !self.watched.is_empty() || self.bans.is_some()
    }

    /// Puts what was read from the file in force, and looks at the file from now on.
    pub(crate) fn watch(&mut self, list: &Arc<PrefixList>, file: RuleFile, loaded: Loaded) {
        list.replace(&file.source(), loaded.rules);
        // What is no regular file is gone once it was read.
        if loaded.stamp.is_some() {
            self.watched.push(Watched::new(list, file, loaded.stamp));
        }
    }

    /// As [`watch`](Self::watch), and rules that are inserted for this source are written to the file.
    pub(crate) fn keep_bans(&mut self, list: &Arc<PrefixList>, file: RuleFile, loaded: Loaded) {
        let (source, fresh) = (file.source(), Arc::new(Fresh::default()));
        list.replace(&source, loaded.rules);
        let added = Arc::clone(&fresh);
        list.on_change(move |change| {
            if *change.source != *source {
                return;
            }
            match &change.kind {
                AccessChangeKind::Inserted(rule) => added.with(|rules| rules.push(rule.clone())),
                AccessChangeKind::Expired(_) => {}
                _ => return,
            }
            added.changed.notify_one();
        });
        self.bans = Some(BanFile {
            watched: Watched::new(list, file, loaded.stamp),
            fresh,
            complaint: None,
        });
    }

    /// Begins, on this runtime.
    pub(crate) fn start(self, pool: Pool) -> Keeping {
        let (stop, stopped) = oneshot::channel();
        Keeping {
            stop,
            task: tokio::spawn(self.run(pool, stopped)),
        }
    }

    async fn run(mut self, pool: Pool, mut stopped: oneshot::Receiver<()>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let fresh = self.bans.as_ref().map(|bans| Arc::clone(&bans.fresh));
        let banned = async || match &fresh {
            Some(fresh) => fresh.changed.notified().await,
            None => std::future::pending().await,
        };
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                _ = looks.tick() => self.look(&pool).await,
                () = banned() => {
                    pool.enforce_access();
                    self.write_bans().await;
                }
            }
        }
        self.write_bans().await;
    }

    /// Looks at every file, and puts in force what has changed.
    async fn look(&mut self, pool: &Pool) {
        for at in 0..self.watched.len() {
            let Some((file, loaded)) = self.watched[at].changed().await else {
                continue;
            };
            let source = file.source();
            match loaded {
                Some(Ok(loaded)) => {
                    let rules = loaded.rules.len();
                    self.watched[at].list.replace(&source, loaded.rules);
                    say_changed(&source, rules, pool.enforce_access());
                }
                Some(Err(error)) => note(&format!("{error}; its rules of before stay")),
                None => {}
            }
        }
        let Some(bans) = &mut self.bans else { return };
        if bans.complaint.is_some() {
            self.write_bans().await;
        } else if bans.watched.has_changed().await
            && let Some(rules) = self.write_bans().await
        {
            let source = self.bans.as_ref().map(|bans| bans.watched.file.source());
            say_changed(&source.unwrap_or_default(), rules, pool.enforce_access());
        }
    }

    /// Makes the file of bans and the list alike. Returns how many rules both have then; `None` if the file cannot be read or written.
    async fn write_bans(&mut self) -> Option<usize> {
        let bans = self.bans.as_mut()?;
        let put = bans.fresh.with(mem::take);
        let edits = Edits {
            put: put.clone(),
            forget_expired: true,
            ..Edits::default()
        };
        let file = bans.watched.file.clone();
        let source = file.source();
        let updated = spawn_blocking(move || {
            let updated = update(&file, &edits);
            updated.map_err(|error| error.at(&file.path))
        });
        let updated = updated.await.unwrap_or_else(|e| Err(e.to_string()));
        match updated {
            Ok(Updated { loaded, .. }) => {
                bans.watched.seen = Seen::Settled(loaded.stamp);
                bans.complaint = None;
                let rules = loaded.rules.len();
                // Those that came meanwhile are in force already.
                let fresh = bans.fresh.with(|rules| rules.clone());
                bans.watched
                    .list
                    .replace(&source, loaded.rules.into_iter().chain(fresh));
                for line in format_rules(&put, now()).lines() {
                    note(&format!("{source}: {line}"));
                }
                Some(rules)
            }
            Err(error) => {
                // Older ones first: of two for one prefix the later one stays.
                bans.fresh
                    .with(|rules| rules.splice(0..0, put).for_each(drop));
                if bans.complaint.as_ref() != Some(&error) {
                    note(&format!(
                        "{error}; what is in force stays, and is written when the file is mended"
                    ));
                }
                bans.complaint = Some(error);
                None
            }
        }
    }
}

impl Watched {
    /// Whether the file is another than the one that was dealt with, and at rest.
    async fn has_changed(&mut self) -> bool {
        let file = self.file.clone();
        // Nobody is told what a runtime that ends has no time for.
        match spawn_blocking(move || file.stamp()).await {
            Ok(stamp) => self.look(stamp),
            Err(_ended) => false,
        }
    }

    /// What the file has in it now, if it has changed; no contents if it changed while it was read.
    async fn changed(&mut self) -> Option<(RuleFile, Option<Result<Loaded, String>>)> {
        if !self.has_changed().await {
            return None;
        }
        let file = self.file.clone();
        let read = spawn_blocking(move || {
            let read = file.read().map_err(|error| error.at(&file.path));
            (file.stamp(), read)
        });
        let (stamp, read) = read.await.ok()?;
        let at_rest = self.seen == Seen::Settled(stamp);
        if !at_rest {
            self.seen = Seen::Changing(stamp);
        }
        Some((self.file.clone(), at_rest.then_some(read)))
    }
}

fn say_changed(source: &str, rules: usize, out: usize) {
    note(&format!(
        "{source} has changed; rules in force: {rules}; addresses taken out: {out}"
    ));
}

/// A keeper at work.
#[derive(Debug)]
pub(crate) struct Keeping {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeping {
    /// Writes what is not written yet, and ends. To be called when nothing is banned any more.
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        if timeout(PATIENCE, self.task).await.is_err() {
            note("the last bans are not written: another program does not let go of the file");
        }
    }
}

/// How often files are looked at. What has changed is read when it is the same at two looks.
const LOOK: Duration = Duration::from_millis(500);
/// How long the end of the program waits for the file of bans.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
