//! Bodies as files: names from URLs, and files that are there whole or not at all.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use http::Uri;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Gives every URL a file name of its own: `DIR/HOST/NAME`, `DIR/HOST/NAME.1`, …
///
/// NAME is the last piece of the path, `index` if there is none; the query is left out, because it may hold a secret.
/// Names are given in the order of the input, so that the same input makes the same files.
#[derive(Debug)]
pub(super) struct Names {
    dir: PathBuf,
    /// Names given, in lower case for file systems that do not tell it apart, with the next number to try.
    given: HashMap<String, u64>,
}

impl Names {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            given: HashMap::new(),
        }
    }

    pub(super) fn assign(&mut self, uri: &Uri) -> PathBuf {
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let host = safe(&host.replace(':', "_"), "host");
        let path = uri.path().trim_end_matches('/');
        let name = safe(path.rsplit('/').next().unwrap_or(""), "index");
        let wanted = format!("{host}/{name}");
        let mut relative = wanted.clone();
        while self.given.contains_key(&relative.to_lowercase()) {
            let next = self.given.entry(wanted.to_lowercase()).or_insert(0);
            *next += 1;
            relative = format!("{wanted}.{next}");
        }
        self.given.insert(relative.to_lowercase(), 0);
        self.dir.join(relative)
    }
}

/// One path component made of harmless characters, never empty, hidden or a step upwards.
fn safe(text: &str, otherwise: &str) -> String {
    // Leaves room for a number and the ending of a file in progress: 255 bytes is what file systems take.
    const LONGEST: usize = 180;
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-%~+=@,".contains(c);
    let mut name: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if harmless(c) { c } else { '_' })
        .collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name.is_empty() {
        otherwise.into()
    } else {
        name
    }
}

/// A file in progress, under a name of its own; dropped before [`keep`](Self::keep), it goes away.
#[derive(Debug)]
pub(super) struct PartFile {
    file: File,
    part: Part,
    path: PathBuf,
}

impl PartFile {
    /// Creates the directory if need be, and the file in progress beside `path`.
    pub(super) async fn create(path: PathBuf) -> io::Result<Self> {
        let parent = path.parent().unwrap_or(Path::new("."));
        tokio::fs::create_dir_all(parent).await?;
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        // Two processes may write the same names at a time.
        name.push(format!(".{}.part", std::process::id()));
        let part = parent.join(name);
        let file = File::create(&part).await?;
        Ok(Self {
            file,
            part: Part(Some(part)),
            path,
        })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Gives the file its name, in place of one from an earlier run.
    pub(super) async fn keep(mut self) -> io::Result<PathBuf> {
        self.file.flush().await?;
        if let Some(part) = &self.part.0 {
            tokio::fs::rename(part, &self.path).await?;
        }
        self.part.0 = None;
        Ok(self.path)
    }
}

/// Removed when dropped.
#[derive(Debug)]
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing more can be done about a file that cannot be removed; its name says what it is.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(urls: &[&str]) -> Vec<String> {
        let mut names = Names::new("out".into());
        let assigned = urls.iter().map(|url| names.assign(&url.parse().unwrap()));
        assigned.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_name_is_the_last_piece_of_the_path_under_the_host() {
        assert_eq!(
            assign(&[
                "https://a.test/",
                "https://a.test/img/cat.png?token=secret",
                "https://b.test:8443/x/y/",
                "http://[::1]:80/z",
            ]),
            [
                "out/a.test/index",
                "out/a.test/cat.png",
                "out/b.test_8443/y",
                "out/___1__80/z",
            ]
        );
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        assert_eq!(
            assign(&[
                "https://a.test/x",
                "https://a.test/y/x",
                "https://a.test/x.1",
                "https://a.test/X",
                "https://a.test/x",
            ]),
            [
                "out/a.test/x",
                "out/a.test/x.1",
                "out/a.test/x.1.1",
                "out/a.test/X.2",
                "out/a.test/x.3"
            ]
        );
    }

    #[test]
    fn no_url_leaves_the_directory_or_hides() {
        let long = format!("https://a.test/{}", "x".repeat(5000));
        for url in [
            "https://a.test/..",
            "https://a.test/../../etc/passwd",
            "https://a.test/%2e%2e%2f%2e%2e%2fetc",
            "https://../..",
            "https://a.test/.bashrc",
            "https://a.test/a\\..\\b",
            "https://a.test/~root",
            &long,
        ] {
            let Ok(uri) = url.parse::<Uri>() else {
                continue;
            };
            let path = Names::new("out".into()).assign(&uri);
            let pieces: Vec<_> = path.iter().map(|piece| piece.to_str().unwrap()).collect();
            assert_eq!(pieces.len(), 3, "{url}: {path:?}");
            assert!(
                pieces.iter().all(|p| !p.starts_with('.') && p.len() <= 180),
                "{path:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host").join("name");
        let names = || -> Vec<_> {
            let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect()
        };

        let mut half = PartFile::create(path.clone()).await.unwrap();
        half.write(b"half").await.unwrap();
        assert_eq!(names().len(), 1);
        assert!(!path.exists());
        drop(half);
        assert!(names().is_empty());

        let mut whole = PartFile::create(path.clone()).await.unwrap();
        whole.write(b"whole").await.unwrap();
        assert_eq!(whole.keep().await.unwrap(), path);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names().len(), 1);
    }
}
