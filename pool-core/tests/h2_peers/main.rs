//! Peers that break the rules of HTTP/2, or use them against us: what the caller gets, what becomes of the connection,
//! and what memory does. One theme per file.
#![cfg(feature = "testing")]

mod allocations;
mod bad_frames;
mod bad_heads;
mod bombs;
mod calm;
mod cancels;
mod floods;
mod given_up;
mod http1_required;
mod misdirected;
mod peers;
mod settings;
mod windows;
