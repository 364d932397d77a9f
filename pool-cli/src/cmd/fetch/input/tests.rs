//! Good lines and bad ones.

use futures_util::StreamExt;

use super::*;

async fn read(urls: &[&str], text: &[u8]) -> Vec<Item> {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let lines: Lines = Box::pin(BufReader::with_capacity(7, io::Cursor::new(text.to_vec())));
    let items: Vec<_> = items(urls, Some(lines)).collect().await;
    items.into_iter().map(Result::unwrap).collect()
}

fn job(item: &Item) -> &Job {
    match item {
        Item::Job(job) => job,
        Item::Bad(bad) => panic!("{bad:?}"),
    }
}

fn bad(item: &Item) -> &BadItem {
    match item {
        Item::Bad(bad) => bad,
        Item::Job(job) => panic!("{job:?}"),
    }
}

fn only(line: &str) -> Item {
    parse_line(&Line::Whole(line.into()), 1).unwrap()
}

#[tokio::test]
async fn arguments_come_first_then_lines_in_order() {
    let items = read(
        &["https://a.test/0"],
        b"\xef\xbb\xbfhttps://a.test/1\r\n\n  \t\nhttps://a.test/2",
    )
    .await;
    let urls: Vec<_> = items.iter().map(|item| job(item).uri.to_string()).collect();
    assert_eq!(
        urls,
        ["https://a.test/0", "https://a.test/1", "https://a.test/2"]
    );
}

#[tokio::test]
async fn a_bad_line_keeps_its_number_and_the_rest_goes_on() {
    let items = read(
        &[],
        b"https://a.test/1\n\nnonsense\n{\"url\": 1}\nhttps://a.test/2\n",
    )
    .await;
    assert_eq!(items.len(), 4);
    assert_eq!(bad(&items[1]).line, Some(3));
    assert_eq!(bad(&items[1]).url.as_deref(), Some("nonsense"));
    assert_eq!(bad(&items[2]).line, Some(4));
    assert_eq!(job(&items[3]).uri.path(), "/2");
}

#[tokio::test]
async fn empty_input_has_no_items() {
    assert!(read(&[], b"").await.is_empty());
    assert!(read(&[], b"\n \n").await.is_empty());
}

#[tokio::test]
async fn a_line_that_is_too_long_is_bad_and_the_next_one_good() {
    let mut text = vec![b'x'; LONGEST_LINE + 1];
    text.extend_from_slice(b"\nhttps://a.test/2\n");
    let items = read(&[], &text).await;
    assert_eq!(items.len(), 2);
    assert!(bad(&items[0]).message.contains("longer than"));
    assert_eq!(job(&items[1]).uri.path(), "/2");
}

#[test]
fn a_json_line_says_method_headers_and_body() {
    let line = r#"{"url":"https://a.test/","method":"PUT","headers":{"X-A":"1","Cookie":"s=1"},"body":"hi"}"#;
    let item = only(line);
    let job = job(&item);
    assert_eq!(job.method, Some(Method::PUT));
    assert_eq!(job.body.as_deref(), Some(&b"hi"[..]));
    assert!(
        job.headers
            .iter()
            .any(|(name, value)| name == "cookie" && value.is_sensitive())
    );
    assert!(
        job.headers
            .iter()
            .any(|(name, value)| name == "x-a" && value == "1")
    );
}

#[test]
fn bad_lines_say_what_is_wrong() {
    for (line, says) in [
        ("a.test/1", "does not begin with"),
        ("/1", "does not begin with"),
        ("ftp://a.test/", "does not begin with"),
        ("https://", "there is no host"),
        ("https:///x", "there is no host"),
        ("https://:80/", "there is no host"),
        ("https://a.test:99999/", "from 1 to 65535"),
        ("https://[::1]:0/", "from 1 to 65535"),
        ("https://a b/", "not a URL"),
        (r#"{"url":"https://a.test/","methd":"GET"}"#, "methd"),
        (r#"{"url":"https://a.test/""#, "EOF"),
        (r#"{"url":"a.test"}"#, "not a whole URL"),
        (
            r#"{"url":"https://a.test/","method":"G T"}"#,
            "not a method",
        ),
        (
            r#"{"url":"https://a.test/","headers":{"a b":"c"}}"#,
            "name of a header",
        ),
        (
            r#"{"url":"https://a.test/","headers":{"a":"b\nc"}}"#,
            "cannot be sent",
        ),
    ] {
        let item = only(line);
        assert!(
            bad(&item).message.contains(says),
            "{line}: {}",
            bad(&item).message
        );
    }
    let binary = parse_line(&Line::Whole(vec![0xff]), 7).unwrap();
    assert_eq!(bad(&binary).message, "the line is not UTF-8");
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    for line in [
        "https://me:secret@a.test/x",
        r#"{"url":"https://me:secret@a.test/x"}"#,
        "me:secret@a.test",
        "https://me:se@cret@a.test/x?y@z",
    ] {
        let item = only(line);
        let text = format!("{:?}", bad(&item));
        assert!(
            !text.contains("secret") && !text.contains("cret@"),
            "{text}"
        );
    }
}
