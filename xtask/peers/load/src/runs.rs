//! The loads themselves.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::clock::now;
use crate::command::{Command, Kind};
use crate::latency::Latencies;
use crate::program::Allocator;
use crate::usage::{Cpu, resident};
use crate::{BoxError, Peer, What, Worker};

/// A client and the connections that it has been given to keep.
pub(crate) struct Runs<P: Peer> {
    peer: Arc<P>,
    port: u16,
    counts: Option<&'static Allocator>,
    /// For the loads on one host, one for each task.
    workers: Vec<P::Worker>,
    /// By host, those that keep its connection open.
    hosts: Vec<Option<P::Worker>>,
}

impl<P: Peer> Runs<P> {
    pub(crate) fn new(peer: P, port: u16, counts: Option<&'static Allocator>) -> Self {
        Self {
            peer: Arc::new(peer),
            port,
            counts,
            workers: Vec::new(),
            hosts: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, runtime: &Runtime, command: &Command) -> Result<Value, BoxError> {
        if let Kind::Count { requests, warm } = command.kind {
            return self.count(runtime, command, requests, warm);
        }
        runtime.block_on(self.timed(command))
    }

    async fn timed(&mut self, command: &Command) -> Result<Value, BoxError> {
        match command.kind {
            Kind::Count { .. } => Err("it is counted, not timed".into()),
            Kind::Burst { requests } => self.burst(command, requests).await,
            Kind::Warm => Ok(json!({ "open": self.peer.warm().await? })),
            Kind::Load { lasts } => self.load(command, lasts).await,
            Kind::Hosts {
                hosts,
                first,
                connects_only,
            } => self.hosts(command, hosts, first, connects_only).await,
        }
    }

    /// Warms up and then counts. What a profiler is told to look at is in [`measured`] alone.
    fn count(
        &mut self,
        runtime: &Runtime,
        command: &Command,
        requests: usize,
        warm: usize,
    ) -> Result<Value, BoxError> {
        let each = requests.div_ceil(command.conc);
        if warm > 0 {
            runtime.block_on(self.each_task(command, Until::Times(warm)))?;
        } else {
            runtime.block_on(self.enough_workers(command.conc))?;
        }
        let before = self.counts.map(Allocator::stats);
        let done = measured(runtime, self.each_task(command, Until::Times(each)))?;
        let after = self.counts.map(Allocator::stats);
        let per = |count: usize| count as f64 / done.latencies.len() as f64;
        let allocated = before.zip(after).map(|(before, after)| {
            let seen = after - before;
            let count = seen.allocations + seen.reallocations;
            (per(count), per(seen.bytes_allocated))
        });
        Ok(json!({
            "requests": done.latencies.len(),
            "allocs": allocated.map(|(count, _)| count),
            "bytes": allocated.map(|(_, bytes)| bytes),
            "polls": per(done.polls),
        }))
    }

    async fn load(&mut self, command: &Command, lasts: Duration) -> Result<Value, BoxError> {
        self.enough_workers(command.conc).await?;
        let (began, cpu) = (now(), Cpu::now());
        let until = Until::Time(began + lasts);
        let done = self.each_task(command, until).await?;
        let [cpu, user] = cpu.since();
        let took = (now() - began).as_secs_f64();
        let requests = done.latencies.len() as f64;
        let [p50, p99] = done.latencies.quantiles([0.5, 0.99]);
        Ok(json!({
            "requests": requests,
            "rps": requests / took,
            "p50_us": p50,
            "p99_us": p99,
            "cpu_us": cpu / requests,
            "user_us": user / requests,
        }))
    }

    async fn burst(&mut self, command: &Command, requests: usize) -> Result<Value, BoxError> {
        let command = Command {
            conc: requests,
            ..command.clone()
        };
        self.enough_workers(requests).await?;
        let (began, cpu) = (now(), Cpu::now());
        let done = self.each_task(&command, Until::Times(1)).await?;
        let [cpu, _] = cpu.since();
        let took = (now() - began).as_secs_f64();
        let [p50, p99] = done.latencies.quantiles([0.5, 0.99]);
        Ok(json!({
            "took_ms": took * 1e3,
            "p50_us": p50,
            "p99_us": p99,
            "cpu_us": cpu / requests as f64,
        }))
    }

    async fn hosts(
        &mut self,
        command: &Command,
        hosts: usize,
        first: usize,
        connects_only: bool,
    ) -> Result<Value, BoxError> {
        if self.hosts.len() < first + hosts {
            self.hosts.resize_with(first + hosts, || None);
        }
        let resident_before = resident();
        let (began, cpu) = (now(), Cpu::now());
        // Each task takes the next host. What one keeps open is put aside by host.
        let next = Arc::new(AtomicUsize::new(first));
        let kept = Arc::new(std::sync::Mutex::new(std::mem::take(&mut self.hosts)));
        let mut tasks = Vec::with_capacity(command.conc);
        for _ in 0..command.conc.min(hosts) {
            let (peer, next, kept) = (self.peer.clone(), next.clone(), kept.clone());
            let (port, path, rich) = (self.port, command.path.clone(), command.rich);
            tasks.push(tokio::spawn(async move {
                let mut latencies = Latencies::default();
                loop {
                    let host = next.fetch_add(1, Ordering::Relaxed);
                    if host >= first + hosts {
                        return Ok::<_, BoxError>(latencies);
                    }
                    let open = kept.lock().expect("nothing panics under it")[host].take();
                    let began = now();
                    let keep = if connects_only {
                        peer.connect(host).await?
                    } else {
                        let what = What::new(host, port, &path, rich);
                        let mut worker = match open {
                            Some(worker) => worker,
                            None => peer.worker(host).await?,
                        };
                        worker.prepare(&what);
                        worker.fetch(&what).await?;
                        P::Worker::OWNS_CONNECTION.then_some(worker)
                    };
                    latencies.add(now() - began);
                    kept.lock().expect("nothing panics under it")[host] = keep;
                }
            }));
        }
        let mut latencies = Latencies::with_capacity(hosts);
        for task in tasks {
            latencies.append(task.await??);
        }
        let took = (now() - began).as_secs_f64();
        let [cpu, user] = cpu.since();
        self.hosts = std::mem::take(&mut *kept.lock().expect("nothing panics under it"));
        // What is still under way after a response, such as a connection's return to its pool, is let finish.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let requests = latencies.len() as f64;
        let [p50, p99, max] = latencies.quantiles([0.5, 0.99, 1.0]);
        Ok(json!({
            "requests": requests,
            "per_s": requests / took,
            "took_ms": took * 1e3,
            "p50_us": p50,
            "p99_us": p99,
            "max_us": max,
            "cpu_us": cpu / requests,
            "user_us": user / requests,
            "rss_before": resident_before,
            "rss_after": resident(),
        }))
    }

    async fn enough_workers(&mut self, tasks: usize) -> Result<(), BoxError> {
        while self.workers.len() < tasks {
            let worker = self.peer.worker(0).await?;
            self.workers.push(worker);
        }
        Ok(())
    }

    async fn each_task(&mut self, command: &Command, until: Until) -> Result<Done, BoxError> {
        self.enough_workers(command.conc).await?;
        let what = What::new(0, self.port, &command.path, command.rich);
        let what = Arc::new(what);
        let spare = self.workers.split_off(command.conc);
        let tasks: Vec<_> = std::mem::replace(&mut self.workers, spare)
            .into_iter()
            .map(|worker| tokio::spawn(counted(task(worker, what.clone(), until))))
            .collect();
        let mut done = Done::default();
        for task in tasks {
            let (output, polls) = task.await?;
            let (worker, latencies) = output?;
            self.workers.push(worker);
            done.latencies.append(latencies);
            done.polls += polls;
        }
        Ok(done)
    }
}

/// Runs a future in a function that can be found by its name, whatever it is compiled into.
#[inline(never)]
fn measured<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    runtime.block_on(future)
}

#[derive(Clone, Copy)]
enum Until {
    Times(usize),
    Time(Instant),
}

#[derive(Default)]
struct Done {
    latencies: Latencies,
    /// Of the tasks that fetch.
    polls: usize,
}

async fn task<W: Worker>(
    mut worker: W,
    what: Arc<What>,
    until: Until,
) -> Result<(W, Latencies), BoxError> {
    worker.prepare(&what);
    let mut latencies = Latencies::with_capacity(match until {
        Until::Times(times) => times,
        Until::Time(_) => 1 << 16,
    });
    let mut began = now();
    loop {
        let enough = match until {
            Until::Times(times) => latencies.len() == times,
            Until::Time(end) => began >= end,
        };
        if enough {
            return Ok((worker, latencies));
        }
        worker.fetch(&what).await?;
        let ended = now();
        latencies.add(ended - began);
        began = ended;
    }
}

/// The output of the future, and how often it was polled.
async fn counted<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    let mut polls = 0;
    let output = std::future::poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    })
    .await;
    (output, polls)
}
