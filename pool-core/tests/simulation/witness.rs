//! Writes down what the pool says of itself.

use std::sync::Arc;

use pool_core::manager::CloseReason;
use pool_core::{Event, Observer};

use crate::history::History;

/// An observer of the pool.
#[derive(Debug)]
pub(crate) struct Witness(pub(crate) Arc<History>);

impl Observer for Witness {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Opened { key, id, facts, .. } => {
                let target = facts.target;
                self.0
                    .note(format_args!("{key}: connection {id} to {target} joins"));
            }
            Event::Closed {
                key, id, reason, ..
            } => {
                if matches!(reason, CloseReason::Idle | CloseReason::Lifetime) {
                    self.0.evict(id.as_u64(), &key.to_string());
                }
                let reason = reason.code();
                self.0
                    .note(format_args!("{key}: connection {id} ends: {reason}"));
            }
            Event::DialFailed {
                key, target, error, ..
            } => {
                let kind = error.kind().code();
                self.0
                    .note(format_args!("{key}: no connection to {target}: {kind}"));
            }
            Event::Retried {
                key,
                kind,
                attempts,
                ..
            } => self.0.retry(&key.to_string(), kind.code(), attempts),
            Event::Ejected { key, target, .. } => {
                self.0.note(format_args!("{key}: {target} is out"));
            }
            _ => {}
        }
    }
}
