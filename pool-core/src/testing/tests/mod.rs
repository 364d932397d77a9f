//! The fleet against plain clients.

mod client;
mod ending;
mod raw;
mod serving;

use std::net::IpAddr;

use bytes::Bytes;
use http::Response;

use self::client::Client;
use super::Fleet;

async fn one() -> Fleet {
    Fleet::builder().start().await.unwrap()
}

fn over_h1(fleet: &Fleet) -> Client {
    Client::new(fleet.ca_der(), fleet.name(), &["http/1.1"])
}

fn over_h2(fleet: &Fleet) -> Client {
    Client::new(fleet.ca_der(), fleet.name(), &["h2"])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}
