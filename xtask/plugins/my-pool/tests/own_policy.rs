//! `docs/own-policy.md` as a stranger would follow it: its shell blocks are run, and must print what it shows.

use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/own-policy.md");

/// A block of the page: of which language, and its lines.
struct Block {
    language: String,
    text: String,
}

#[test]
fn every_command_of_the_page_works_and_prints_what_the_page_shows() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // As the workspace's own paths are written, or its crates would be others.
    let checkout = here.ancestors().nth(3).expect("the workspace is in xtask");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocks = blocks(PAGE);
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script(&blocks)])
        .current_dir(folder.path())
        .env("POOL", checkout)
        // What this workspace has built and fetched is not built and fetched again: the same versions, the same place.
        .env("LOCK", here.join("../Cargo.lock"))
        .env("CARGO_TARGET_DIR", checkout.join("target/plugins"))
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("there is a shell");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}:\n{printed}", output.status);

    let mut shown = 0;
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "text" {
            continue;
        }
        let command = section(&printed, at - 1);
        for line in block.text.lines() {
            assert!(command.contains(line), "no {line:?} in:\n{command}");
            shown += 1;
        }
    }
    assert!(shown > 10, "the page shows what its commands print");
}

/// The page's commands in one shell, with a mark before those of each block.
fn script(blocks: &[Block]) -> String {
    let mut script = String::from(
        "exec 2>&1\n\
         cargo() { command cargo \"$@\" || return; if [ \"$1\" = new ]; then cp \"$LOCK\" own-pool/; fi; }\n",
    );
    for (at, block) in blocks.iter().enumerate() {
        if block.language == "sh" {
            script += &format!("echo '{}'\n{}", mark(at), block.text);
        }
    }
    script
}

fn mark(at: usize) -> String {
    format!("=== block {at} ===")
}

/// What the commands of one block printed.
fn section(printed: &str, at: usize) -> &str {
    let (_, rest) = printed
        .split_once(&mark(at))
        .expect("output is shown below the commands that print it");
    rest.split_once("=== block").map_or(rest, |(own, _)| own)
}

fn blocks(page: &str) -> Vec<Block> {
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            let language = language.to_owned();
            blocks.push(Block { language, text });
        }
    }
    blocks
}
