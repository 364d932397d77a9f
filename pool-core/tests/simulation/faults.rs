//! What goes wrong, when, and for how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::{pass, pass_until};
use crate::dice::Dice;
use crate::network::{Lookup, Network};
use crate::peer::Order;
use crate::plan::Speaks;
use crate::site::Door;
use crate::wire::Link;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing passes, and later everything that was held back.
    Partition,
    /// Nothing passes, and what was open stays silent for ever.
    Amnesia,
    /// Everything dies, and connects are refused.
    Crash,
    /// Connections die; new ones are welcome.
    Reset,
    Slow,
    Refuse,
    Stall,
    /// So many requests in a hundred are treated badly.
    Sick(usize),
    /// Every server of the address drains.
    Retire,
    /// GOAWAY and the end.
    Away(Reason),
    /// HTTP/2 servers allow so many streams, where that is fewer than before.
    Cap(u32),
    /// The name has fewer addresses.
    Leave,
    Lookup(Lookup),
}

impl Fault {
    fn throw(dice: &mut Dice) -> Self {
        match dice.below(18) {
            0 | 1 => Self::Partition,
            2 => Self::Amnesia,
            3 | 4 => Self::Crash,
            5 => Self::Reset,
            6 => Self::Slow,
            7 => Self::Refuse,
            8 => Self::Stall,
            9 | 10 => Self::Sick(dice.between(5, 100)),
            11 => Self::Retire,
            12 => Self::Away(dice.pick(&[Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM])),
            13 | 14 => Self::Leave,
            15 | 16 => Self::Cap(dice.pick(&[0, 1, 1, 2, 3, 8])),
            _ => Self::Lookup(dice.pick(&[Lookup::Fails, Lookup::Hangs])),
        }
    }
}

/// Lets things go wrong until `end`, each for a while.
pub(crate) async fn trouble(network: Arc<Network>, mut dice: Dice, every: usize, end: Instant) {
    let mut heals = JoinSet::new();
    loop {
        let pause = dice.millis(1, every);
        if Instant::now() + pause >= end {
            break;
        }
        pass(pause).await;
        let host = dice.below(network.hosts.len());
        let addr = dice.pick(&network.hosts[host].addrs);
        let fault = match (Fault::throw(&mut dice), network.hosts[host].speaks) {
            // It would say nothing to HTTP/1.1.
            (Fault::Cap(_), Speaks::Http1) => Fault::Reset,
            (fault, _) => fault,
        };
        let long = if dice.chance(20) { 20_000 } else { 3000 };
        let lasts = dice.millis(10, long);
        let note = format!("fault at h{host} {addr} for {lasts:?}: {fault:?}");
        network.history.note(note);
        begin(&network, host, addr, fault, &mut dice);
        if let (Fault::Amnesia, Speaks::Http2 { .. }) = (fault, network.hosts[host].speaks) {
            heals.spawn(silence(network.clone(), addr));
        }
        let network = network.clone();
        heals.spawn(async move {
            pass(lasts).await;
            heal(&network, host, addr, fault);
        });
    }
    pass_until(end).await;
    heals.shutdown().await;
    network.history.note("everything is healed");
    for host in 0..network.hosts.len() {
        for &addr in &network.hosts[host].addrs {
            for fault in [
                Fault::Partition,
                Fault::Crash,
                Fault::Slow,
                Fault::Sick(0),
                Fault::Cap(0),
                Fault::Leave,
            ] {
                heal(&network, host, addr, fault);
            }
        }
    }
}

/// I17: an HTTP/2 connection on which nothing is heard any more is given up, whether anybody asks or not.
async fn silence(network: Arc<Network>, addr: SocketAddr) {
    let silent: Vec<Link> = network.at(addr, |site| {
        let links = site.live.iter().map(|live| live.link.clone());
        links.collect()
    });
    pass(network.patience).await;
    let kept = silent.iter().filter(|link| !link.is_left()).count();
    if kept > 0 {
        let what = format!("I17: {kept} silent connections to {addr} are kept");
        network.history.broken(what);
    }
}

fn begin(network: &Network, host: usize, addr: SocketAddr, fault: Fault, dice: &mut Dice) {
    let latency = dice.millis(100, 2500);
    let left = dice.between(1, network.hosts[host].addrs.len());
    network.at(addr, |site| match fault {
        Fault::Partition | Fault::Amnesia => {
            site.cut_off = true;
            for live in &mut site.live {
                live.link.hold(true);
                live.lost |= matches!(fault, Fault::Amnesia);
            }
        }
        Fault::Crash | Fault::Reset => {
            site.live.iter().for_each(|live| live.link.reset());
            if let Fault::Crash = fault {
                site.door = Door::Shut;
            }
        }
        Fault::Slow => site.set_latency(latency),
        Fault::Refuse => site.door = Door::Shut,
        Fault::Stall => site.door = Door::Stalled,
        Fault::Sick(percent) => site.set_sick(percent),
        Fault::Retire => site.order(Order::Retire),
        Fault::Away(reason) => site.order(Order::Away(reason)),
        Fault::Cap(cap) => {
            if let Some(usual) = usual_cap(network, host) {
                site.announce(cap.min(usual));
            }
        }
        Fault::Leave | Fault::Lookup(_) => {}
    });
    network.name(host, |name| match fault {
        Fault::Leave => name.addrs.truncate(left),
        Fault::Lookup(manner) => name.manner = manner,
        _ => {}
    });
}

fn heal(network: &Network, host: usize, addr: SocketAddr, fault: Fault) {
    let planned = &network.hosts[host];
    let at = planned.addrs.iter().position(|known| *known == addr);
    let latency = at.map_or(Duration::ZERO, |at| planned.latencies[at]);
    network.at(addr, |site| match fault {
        Fault::Partition | Fault::Amnesia => {
            site.cut_off = false;
            let kept = site.live.iter().filter(|live| !live.lost);
            kept.for_each(|live| live.link.hold(false));
        }
        Fault::Crash | Fault::Refuse | Fault::Stall => site.door = Door::Open,
        Fault::Slow => site.set_latency(latency),
        Fault::Sick(_) => site.set_sick(0),
        Fault::Cap(_) => {
            if let Some(usual) = usual_cap(network, host) {
                site.announce(usual);
            }
        }
        _ => {}
    });
    if let Fault::Leave | Fault::Lookup(_) = fault {
        network.name(host, |name| {
            name.addrs.clone_from(&planned.addrs);
            name.manner = Lookup::Answers;
        });
    }
}

/// What a host's HTTP/2 servers allow when all is well; more than they enforce must not be announced.
fn usual_cap(network: &Network, host: usize) -> Option<u32> {
    match network.hosts[host].speaks {
        Speaks::Http1 => None,
        Speaks::Http2 { cap } => Some(cap.unwrap_or(100)),
    }
}
