//! Asking again for the addresses of a host in use when the last answer says that it does not count any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::ended_bans::admit;
use crate::dial::{AnswerEnd, Ended};
use crate::http::HttpConn;
use crate::key::Key;
use crate::manager::HostHandle;
use crate::pool::Env;

/// The tasks that wait for answers to end, one for each host whose last answer said something of that.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    // By a serial number, which tells a task from the one that has taken its place.
    tasks: Mutex<HashMap<Key, (u64, AbortHandle)>>,
    serials: AtomicU64,
}

/// Between two lookups of a host whose answers end by themselves: a time to live of zero is no reason for more.
const LEAST: Duration = Duration::from_secs(1);

/// Between two lookups of a host whose answer changes: as often as that, a table that is filled line by line is read.
const CALM: Duration = Duration::from_millis(100);

/// The longest wait between two lookups that fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether the host is still in use.
const STILL_THERE: Duration = Duration::from_secs(60);

/// Waits in a task for this answer to end, in place of an earlier one of the host.
pub(crate) fn follow(env: &Arc<Env>, host: &HostHandle<HttpConn>, end: AnswerEnd) {
    if !end.is_known() {
        env.followed.replace(host.key(), None);
        return;
    }
    let (handle, registration) = AbortHandle::new_pair();
    let serial = env.followed.serials.fetch_add(1, Ordering::Relaxed);
    env.followed.replace(host.key(), Some((serial, handle)));
    let (envs, host) = (env.clone(), host.clone());
    let following = async move {
        go_on(&envs, &host, end).await;
        envs.followed.ended(host.key(), serial);
    };
    let following = Abortable::new(following, registration);
    env.spawn_until_closed(async move {
        let _aborted = following.await;
    });
}

impl Followed {
    fn replace(&self, key: &Key, new: Option<(u64, AbortHandle)>) {
        let before = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            match new {
                Some(new) => tasks.insert(key.clone(), new),
                None => tasks.remove(key),
            }
        };
        if let Some((_, before)) = before {
            before.abort();
        }
    }

    /// The task of this host has ended by itself.
    fn ended(&self, key: &Key, serial: u64) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.get(key).is_some_and(|(of, _)| *of == serial) {
            tasks.remove(key);
        }
    }
}

/// Looks the host up each time its answer ends, until it is not in use any more.
async fn go_on(env: &Arc<Env>, host: &HostHandle<HttpConn>, mut end: AnswerEnd) {
    let mut looked_up = Instant::now();
    let mut pause = LEAST;
    while let Some(ended) = still_used(env, host, &mut end).await {
        let least = match ended {
            Ended::Old => LEAST,
            Ended::Changed => CALM,
        };
        sleep_until(looked_up + least).await;
        loop {
            if host.forget_addresses() {
                return;
            }
            looked_up = Instant::now();
            match env.plugins.resolve(host.key(), &env.live()).await {
                Ok(found) => {
                    admit(env, host, &found.addrs);
                    end = found.end;
                    pause = LEAST;
                    break;
                }
                Err(error) => {
                    debug!(%error, ?pause, "lookup failed, the last answer stays");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PATIENCE);
                }
            }
        }
    }
}

/// Waits for the end of the answer. `None`: the host is not in use any more, or nothing will ever be said.
async fn still_used(env: &Env, host: &HostHandle<HttpConn>, end: &mut AnswerEnd) -> Option<Ended> {
    while end.is_known() {
        let ended = env.plugins.contain_future(end.wait());
        match timeout_at(Instant::now() + STILL_THERE, ended).await {
            Ok(ended) => return ended,
            Err(_elapsed) if host.forget_addresses() => return None,
            Err(_elapsed) => {}
        }
    }
    None
}
