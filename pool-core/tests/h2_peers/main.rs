//! Peers that break the rules of HTTP/2, or use them against us: what the caller gets, what becomes of the connection,
//! and what memory does. One theme per file.

mod misdirected;
mod peers;
