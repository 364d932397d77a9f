//! One operation over and over and nothing else, to look at with a profiler.

use crate::harness::Worker;
use crate::ours::Ours;
use crate::peers::{Setup, Stacks, bb8s, caches, deadpools};
use crate::rows::waiting;
use crate::walk::Order;

/// Runs `name` (an operation, with `/10000_hosts` after it for many hosts, or `waiting/` and a contender) so many times.
/// `false`: there is no such operation.
pub(crate) fn run(name: &str, ops: u64) -> bool {
    if let Some(contender) = name.strip_prefix("waiting/") {
        return waiting::alone(contender, ops);
    }
    let (operation, hosts) = name
        .split_once('/')
        .map_or((name, "1_host"), |(operation, hosts)| (operation, hosts));
    let Some(hosts) = hosts.split('_').next().and_then(|n| n.parse().ok()) else {
        return false;
    };
    let setup = Setup { hosts, idle: 2 };
    let walk = Order::new(hosts).walk(0, 1);
    let mut worker: Worker = match operation {
        "by_handle" => Ours::new(&setup).by_handle(walk),
        "by_handle_no_clock" => Ours::new(&setup).by_handle_no_clock(walk),
        "by_handle_awaited" => Ours::new(&setup).by_handle_awaited(walk),
        "by_key" => Ours::new(&setup).by_key(walk),
        "mutex_vec" => Stacks::new(&setup).worker(walk),
        "hyper_util_cache" => caches(&setup, vec![walk]).remove(0),
        "deadpool_in_map" => deadpools(&setup).worker(walk),
        "bb8_in_map" => bb8s(&setup).worker(walk),
        _ => return false,
    };
    worker(ops);
    true
}
