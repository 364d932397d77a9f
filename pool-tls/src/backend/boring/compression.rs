//! Certificate compression, RFC 8879: the algorithms that a hello may offer.

use std::io::{self, Write};

use ::boring::error::ErrorStack;
use ::boring::ssl::{CertificateCompressionAlgorithm, CertificateCompressor, SslContextBuilder};

/// Offers the algorithm with this code point. `false` if there is none here.
pub(super) fn offer(context: &mut SslContextBuilder, algorithm: u16) -> Result<bool, ErrorStack> {
    match algorithm {
        1 => context.add_certificate_compression_algorithm(Zlib)?,
        2 => context.add_certificate_compression_algorithm(Brotli)?,
        _ => return Ok(false),
    }
    Ok(true)
}

// BoringSSL refuses a message that says it unpacks to more than it allows for a chain, and the output below has exactly
// the room that the message asked for: a bomb fills it, and the next write fails.

pub(super) struct Brotli;

impl CertificateCompressor for Brotli {
    const ALGORITHM: CertificateCompressionAlgorithm = CertificateCompressionAlgorithm::BROTLI;
    const CAN_COMPRESS: bool = false;
    const CAN_DECOMPRESS: bool = true;

    fn decompress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        let mut plain = brotli_decompressor::Decompressor::new(input, 4096);
        io::copy(&mut plain, output).map(|_| ())
    }
}

pub(super) struct Zlib;

impl CertificateCompressor for Zlib {
    const ALGORITHM: CertificateCompressionAlgorithm = CertificateCompressionAlgorithm::ZLIB;
    const CAN_COMPRESS: bool = false;
    const CAN_DECOMPRESS: bool = true;

    fn decompress<W: Write>(&self, input: &[u8], output: &mut W) -> io::Result<()> {
        let mut plain = flate2::bufread::ZlibDecoder::new(input);
        io::copy(&mut plain, output).map(|_| ())
    }
}
