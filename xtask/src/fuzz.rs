//! `cargo xtask fuzz`: libFuzzer on what comes from a peer, on what goes to one, and on files.

mod args;
mod report;
mod seeds;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use self::args::{Args, Target};
use self::report::{Line, Progress};
use crate::{Failure, cargo, root};

const HELP: &str = "\
Usage: cargo xtask fuzz [TARGET] [--for TIME] [--seed N] [--input FILE]

TARGET        one of them instead of all:
              h1_response  a response from a peer, to both HTTP/1.1 engines: the inline one reads what hyper reads, or
                           refuses it
              h1_request   a request, to the inline engine: what goes out is that one request
              h1_body      a chunked body, in one piece and in several
              client_hello what a client begins with, as TLS or as HTTP/2, and a fingerprint profile
--for TIME    how long each target runs: 60s, 10m, 1h (60s if nothing is said)
--seed N      where chance begins (without it, from the clock)
--input FILE  run the target on this input alone

The build, the corpus and what was found are in target/fuzz. The corpus stays from run to run; target/fuzz may be deleted.
";

/// Runs the targets that `args` name; prints a SKIP line where there is no C++ compiler for libFuzzer.
///
/// # Errors
///
/// [`Failure::Found`] if a target found something.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(args).map_err(|wrong| Failure::Usage(format!("{wrong}\n\n{HELP}")))?;
    let compiler = compiler();
    if !answers(&compiler) {
        println!("SKIP fuzz: libFuzzer is C++, and `{compiler}` is not there");
        return Ok(());
    }
    let host = host()?;
    for &target in &args.targets {
        // One at a time, so that an interface of one does not keep the others from running.
        cargo::read(build(&host, target))?;
        let folders = Folders::make(target)?;
        let binary = folders
            .build
            .join(&host)
            .join("release")
            .join(target.name());
        match &args.input {
            Some(input) => again(&binary, target, input)?,
            None => search(&binary, target, &args, &folders)?,
        }
    }
    Ok(())
}

/// What compiles libFuzzer, as the cc crate chooses it.
fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_unset| "c++".to_owned())
}

fn answers(compiler: &str) -> bool {
    let mut command = Command::new(compiler);
    command.arg("--version").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The platform that rustc runs on.
fn host() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.arg("-vV").stdin(Stdio::null());
    let said = cargo::read(command)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::Broken("rustc does not say its host".to_owned()))
}

/// What cargo-fuzz passes, which stable has too. There is no sanitizer: what is compiled has no unsafe code to watch.
const RUSTFLAGS: &str = "--cfg pool_fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

fn build(host: &str, target: Target) -> Command {
    let mut command = cargo::command();
    command.current_dir(root().join("xtask/fuzz"));
    command.env("RUSTFLAGS", RUSTFLAGS);
    command.args(["build", "--quiet", "--release", "--locked"]);
    // Named, so that the flags are not for build scripts and macros, which nothing would count for.
    command.args(["--target", host]);
    command.args(["--target-dir", "../../target/fuzz"]);
    command.args(["--bin", target.name()]);
    command
}

/// Where a target keeps what it needs.
struct Folders {
    build: PathBuf,
    seeds: PathBuf,
    corpus: PathBuf,
    found: PathBuf,
}

impl Folders {
    /// Makes them, with the seeds in theirs.
    fn make(target: Target) -> Result<Self, Failure> {
        let build = root().join("target/fuzz");
        let folder = |kind: &str| build.join(kind).join(target.name());
        let folders = Self {
            seeds: folder("seeds"),
            corpus: folder("corpus"),
            found: folder("found"),
            build,
        };
        folders
            .fill(target)
            .map_err(|error| Failure::Broken(format!("target/fuzz: {error}")))?;
        Ok(folders)
    }

    fn fill(&self, target: Target) -> std::io::Result<()> {
        // Not what an earlier list had.
        if self.seeds.exists() {
            fs::remove_dir_all(&self.seeds)?;
        }
        for folder in [&self.seeds, &self.corpus, &self.found] {
            fs::create_dir_all(folder)?;
        }
        for folder in target.folders() {
            let named = folder.rsplit('/').next().unwrap_or(folder);
            for entry in fs::read_dir(root().join(folder))? {
                let path = entry?.path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                if name.ends_with(".bin") || name.ends_with(".toml") {
                    fs::copy(&path, self.seeds.join(format!("{named}-{name}")))?;
                }
            }
        }
        for (name, input) in seeds::read(target.seeds()).map_err(std::io::Error::other)? {
            fs::write(self.seeds.join(name), input)?;
        }
        Ok(())
    }
}

/// Lets the fuzzer look for something.
fn search(binary: &Path, target: Target, args: &Args, folders: &Folders) -> Result<(), Failure> {
    let mut command = Command::new(binary);
    command.args(flags(target, args, folders));
    // What a panic says is enough; where it was is in the fuzzer.
    command.current_dir(root()).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    println!(
        "== {} for {} s, seed {}",
        target.name(),
        args.time.as_secs(),
        args.seed
    );
    let broken = |error: std::io::Error| Failure::Broken(format!("{}: {error}", target.name()));
    let mut child = command.spawn().map_err(broken)?;
    let mut progress = Progress::default();
    let mut found = None;
    let mut reader = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = Vec::new();
    // Bytes, not `lines()`: a message may show what is no UTF-8.
    while reader.read_until(b'\n', &mut line).map_err(broken)? > 0 {
        match Line::read(String::from_utf8_lossy(&line).trim_end()) {
            Line::Status(status) => {
                if let Some(news) = progress.take(status) {
                    println!("{}: {news}", target.name());
                }
            }
            Line::Executions(count) => progress.executions = count,
            Line::Rate(rate) => progress.rate = rate,
            Line::Found(path) => found = Some(path),
            Line::Noise => {}
            Line::Said(said) => eprintln!("{said}"),
        }
        line.clear();
    }
    let status = child.wait().map_err(broken)?;
    println!("fuzz {}: {progress}", target.name());
    match found {
        Some(path) => Err(report_found(target, &path)),
        None if status.success() => {
            println!("fuzz {}: nothing found", target.name());
            Ok(())
        }
        None => Err(Failure::Broken(format!("{}: {status}", target.name()))),
    }
}

fn flags(target: Target, args: &Args, folders: &Folders) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string();
    vec![
        format!("-max_total_time={}", args.time.as_secs()),
        format!("-seed={}", args.seed),
        format!(
            "-dict={}",
            shown(&root().join("xtask/fuzz").join(target.dictionary()))
        ),
        format!("-artifact_prefix={}/", shown(&folders.found)),
        // A browser's hello, or a profile in TOML, takes more than half of it.
        "-max_len=8192".to_owned(),
        // Seconds and MiB that no input may take.
        "-timeout=10".to_owned(),
        "-rss_limit_mb=1024".to_owned(),
        "-print_final_stats=1".to_owned(),
        // What is new is written to the first.
        shown(&folders.corpus),
        shown(&folders.seeds),
    ]
}

fn report_found(target: Target, path: &str) -> Failure {
    let root = format!("{}/", root().display());
    let path = path.strip_prefix(&root).unwrap_or(path);
    println!("fuzz {}: FOUND {path}", target.name());
    if let Ok(input) = fs::read(crate::root().join(path)) {
        println!("as a seed: {}", seeds::escape(&input));
    }
    println!("again: cargo xtask fuzz {} --input {path}", target.name());
    Failure::Found
}

/// Runs one input.
fn again(binary: &Path, target: Target, input: &Path) -> Result<(), Failure> {
    let mut command = Command::new(binary);
    command.arg(input).stdin(Stdio::null());
    let status = command
        .status()
        .map_err(|error| Failure::Broken(format!("{}: {error}", target.name())))?;
    if status.success() {
        println!(
            "fuzz {}: nothing wrong with {}",
            target.name(),
            input.display()
        );
        return Ok(());
    }
    Err(Failure::Found)
}

/// How long a target runs if nothing is said.
const USUAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_built_apart_with_coverage_and_the_door() {
        let command = build("some-host", Target::Request);
        let line = cargo::show(&command);
        for said in [
            "--cfg pool_fuzzing ",
            " -Cpasses=sancov-module ",
            " -Cllvm-args=-sanitizer-coverage-inline-8bit-counters ",
            " -Cllvm-args=-sanitizer-coverage-trace-compares\"",
            "--release --locked --target some-host --target-dir ../../target/fuzz --bin h1_request",
        ] {
            assert!(line.contains(said), "{said}: {line}");
        }
        assert!(!line.contains("  "), "{line}");
        let folder = command.get_current_dir().expect("it is set");
        assert!(folder.ends_with("xtask/fuzz"), "{folder:?}");
    }

    #[test]
    fn the_fuzzer_is_told_how_long_and_where_chance_begins() {
        let words = ["h1_body", "--for", "5m", "--seed", "7"].map(str::to_owned);
        let args = Args::parse(&words).expect("the words are right");
        let folders = Folders {
            build: "b".into(),
            seeds: "s".into(),
            corpus: "c".into(),
            found: "f".into(),
        };
        let flags = flags(Target::Body, &args, &folders);
        for said in ["-max_total_time=300", "-seed=7", "-artifact_prefix=f/"] {
            assert!(flags.iter().any(|flag| flag == said), "{said}: {flags:?}");
        }
        // Whatever comes first is written to.
        assert_eq!(flags[flags.len() - 2..], ["c", "s"]);
    }

    #[test]
    fn a_compiler_that_is_not_there_does_not_answer() {
        assert!(!answers("no-such-compiler"));
    }
}
