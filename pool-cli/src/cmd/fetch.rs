//! `pool fetch`: many URLs over connections that stay open.

mod exchange;
mod files;
mod input;
mod record;
mod request;
mod sink;
mod warm;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use pool_core::Registry;
use pool_tls::Plan;
use tokio::time::{Instant, sleep};

use super::process::{listen, runtime};
use super::setup;
use crate::args::FetchArgs;
use crate::config::{self, Circumstances};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, is_dash};
use crate::signal::Interrupt;
use exchange::{Exchanger, Save};
use files::Names;
use input::{Item, Lines};
use record::Record;
use request::Template;
use sink::{Sink, Tally};
use warm::Warmer;

/// Fetches everything, and says how it went.
pub(crate) fn run(args: &FetchArgs, registry: Registry, open_files: u64) -> Result<Exit, Failure> {
    check(args)?;
    let around = Circumstances {
        open_files,
        // What lines will come is not known.
        all_private: args.input.is_none() && setup::all_private(&args.urls, &args.network.resolve),
        concurrency: Some(args.concurrency.get()),
    };
    let effective = config::load(&args.settings, around, &registry)?;
    let drain = effective.config.timeouts.drain;
    let sink = sink(args)?;
    let stats = args.stats.as_deref().map(Output::open).transpose()?;
    let (pool, keeper) = setup::pool(&args.network, effective, registry, None)?;
    // A client that is imitated to the letter says its own name, and where it is one of several, this program says none.
    let imitates = |plan: &Plan| plan.is_faithful() && !plan.profile().headers.is_empty();
    let imitates = pool.plans().iter().any(imitates);
    let template = Template::new(args, !imitates)?;
    let exchanger = Exchanger {
        pool: pool.clone(),
        template,
        // A check is to come before the first request, not beside it.
        warmer: (args.warm || args.settings.check.is_some()).then(Warmer::default),
        max_time: args.max_time,
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let keeping = keeper.map(|keeper| keeper.start(pool.clone()));
        let lines = match &args.input {
            Some(path) => Some(input::open(path).await?),
            None => None,
        };
        let fetch = Fetch {
            exchanger: Arc::new(exchanger),
            concurrency: args.concurrency.get(),
            drain,
            interrupt: listen()?,
        };
        let names = args.output.clone().map(Names::new);
        let items = saves(args.urls.clone(), lines, names, only_body(args));
        let outcome = fetch.run(items, sink).await;
        // A run that was broken off still has requests under way, and nobody waits for them.
        let deadline = if outcome.is_ok() {
            drain
        } else {
            Duration::ZERO
        };
        pool.close(deadline).await;
        if let Some(keeping) = keeping {
            keeping.finish().await;
        }
        if let Some(mut stats) = stats {
            stats.json(&Versioned::new(pool.snapshot()))?;
        }
        outcome
    });
    // A read of stdin may hang in a thread that nobody can wake.
    runtime.shutdown_background();
    outcome
}

/// The items with the place for each body: names are given in the order of the input.
fn saves(
    urls: Vec<String>,
    lines: Option<Lines>,
    mut names: Option<Names>,
    only_body: bool,
) -> impl Stream<Item = std::io::Result<(Item, Save)>> + Send {
    input::items(urls, lines).map(move |item| {
        let item = item?;
        let save = match (&item, &mut names) {
            (Item::Job(job), Some(names)) => Save::File(names.assign(&job.uri)),
            _ if only_body => Save::Stdout,
            _ => Save::Nowhere,
        };
        Ok((item, save))
    })
}

struct Fetch {
    exchanger: Arc<Exchanger>,
    concurrency: usize,
    /// How long requests under way may go on after an interrupt.
    drain: Duration,
    interrupt: Interrupt,
}

impl Fetch {
    /// Does all items, at most `concurrency` at a time, and writes a record of each.
    async fn run(
        &self,
        items: impl Stream<Item = std::io::Result<(Item, Save)>> + Send,
        mut sink: Sink,
    ) -> Result<Exit, Failure> {
        let start = Instant::now();
        let records = items
            .take_until(self.interrupt.clone().come())
            .map(|item| self.start(item))
            .buffer_unordered(self.concurrency);
        let mut records = pin!(records);
        let mut too_late = pin!(self.too_late());
        let mut broken_input = None;
        let mut cut = false;
        loop {
            let record = tokio::select! {
                record = records.next() => record,
                () = &mut too_late, if !cut => {
                    cut = true;
                    // Those under way end now with an error, and become records as any.
                    self.exchanger.pool.close(Duration::ZERO).await;
                    records.next().await
                }
            };
            match record {
                None => break,
                Some(Ok(record)) => sink.take(record)?,
                Some(Err(Ended::Input(error))) => broken_input = Some(error),
                Some(Err(Ended::Run(failure))) => return Err(failure),
            }
        }
        let nothing = sink.tally() == Tally::default();
        if nothing && broken_input.is_none() && !self.interrupt.has_come() {
            return Err(Failure::usage(
                "the input is empty: there is no URL in it",
                "write one URL or JSON object on each line",
            ));
        }
        let exit = sink.finish(start.elapsed())?;
        if let Some(error) = broken_input {
            return Err(Failure::usage(
                format!("cannot read the input to its end: {error}"),
                "what was read before was fetched",
            ));
        }
        Ok(exit)
    }

    /// Begins one item in a task of its own, so that hashing uses every processor.
    fn start(
        &self,
        item: std::io::Result<(Item, Save)>,
    ) -> impl Future<Output = Result<Record, Ended>> + use<> {
        let exchanger = Arc::clone(&self.exchanger);
        async move {
            match item.map_err(Ended::Input)? {
                (Item::Bad(bad), _) => Ok(Record::Failed(bad.into())),
                (Item::Job(job), save) => {
                    let task = tokio::spawn(async move { exchanger.run(job, save).await });
                    match task.await {
                        Ok(outcome) => outcome.map_err(Ended::Run),
                        Err(error) => match error.try_into_panic() {
                            Ok(panic) => std::panic::resume_unwind(panic),
                            Err(_) => unreachable!("the task is aborted by nobody"),
                        },
                    }
                }
            }
        }
    }

    /// Returns once, a while after an interrupt.
    async fn too_late(&self) {
        self.interrupt.clone().come().await;
        sleep(self.drain).await;
    }
}

/// Why there is no record.
enum Ended {
    Input(std::io::Error),
    Run(Failure),
}

/// What is asked for, as far as the arguments alone can be wrong.
fn check(args: &FetchArgs) -> Result<(), Failure> {
    if args.urls.is_empty() && args.input.is_none() {
        return Err(Failure::usage(
            "there is nothing to fetch",
            "give a URL, or -i FILE with one on each line, or -i - for stdin",
        ));
    }
    if let Some(dir) = &args.output
        && dir.exists()
        && !dir.is_dir()
    {
        return Err(Failure::usage(
            format!("{} is a file", dir.display()),
            "-o takes a directory; one URL without -o writes its body to stdout",
        ));
    }
    if only_body(args) && args.stats.as_deref().is_some_and(is_dash) {
        return Err(Failure::usage(
            "the body and --stats - both go to stdout",
            "write one of them to a file",
        ));
    }
    Ok(())
}

/// Whether it is one URL whose body goes to stdout.
fn only_body(args: &FetchArgs) -> bool {
    args.urls.len() == 1 && args.input.is_none() && args.output.is_none() && args.jsonl.is_none()
}

fn sink(args: &FetchArgs) -> Result<Sink, Failure> {
    match &args.jsonl {
        Some(path) => Sink::objects(path),
        None if only_body(args) => Ok(Sink::body()),
        None => Ok(Sink::lines()),
    }
}
