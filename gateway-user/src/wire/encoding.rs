//! Content encodings: incremental decoders, also stacked, with caps on size and on expansion.

use std::io::{ErrorKind, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zstd::stream::{raw, zio};

/// Most encodings that are taken off one body.
pub const MAX_STACK: usize = 3;

/// Most bytes one body may decode to by default.
pub const MAX_DECODED: u64 = 256 << 20;

/// Most decoded bytes per encoded byte by default, beyond the first mebibyte. Text seldom passes 20.
pub const MAX_RATIO: u64 = 200;

/// Largest zstd window, as a power of two: 8 MiB, what RFC 9659 allows for HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Decoded bytes to which the ratio does not apply yet.
const RATIO_FREE: u64 = 1 << 20;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodingError {
    /// A coding nobody here knows.
    #[error("content-encoding {0:?} is not known; it cannot be inspected")]
    Unknown(String),
    /// Too many codings on top of each other.
    #[error("more than {MAX_STACK} content-encodings stacked")]
    Stacked,
    /// The bytes do not fit their coding.
    #[error("{0} body is broken: {1}")]
    Broken(&'static str, std::io::Error),
    /// More decoded bytes than allowed.
    #[error("body decodes to more than {0} bytes")]
    TooLarge(u64),
    /// Expands more than allowed.
    #[error("body expands more than {0} times")]
    TooDense(u64),
}

/// Bounds of a decoder.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most decoded bytes, of each stage.
    pub decoded: u64,
    /// Most decoded bytes per encoded byte of the body.
    pub ratio: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { decoded: MAX_DECODED, ratio: MAX_RATIO }
    }
}

/// Takes the codings of a `content-encoding` value off a body, chunk by chunk.
#[derive(Debug)]
pub struct Decoder {
    /// The outermost coding (named last in the header) first.
    stages: Vec<Stage>,
    bounds: Bounds,
    encoded: u64,
}

impl Decoder {
    /// A decoder for the value of `content-encoding`; `None` when there is nothing to take off.
    pub fn new(content_encoding: &str, bounds: Bounds) -> Result<Option<Decoder>, EncodingError> {
        let mut stages = Vec::new();
        for name in content_encoding.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            if name.is_empty() || name == "identity" {
                continue;
            }
            if stages.len() == MAX_STACK {
                return Err(EncodingError::Stacked);
            }
            stages.push(Stage::new(&name)?);
        }
        stages.reverse();
        Ok((!stages.is_empty()).then_some(Decoder { stages, bounds, encoded: 0 }))
    }

    /// Decodes the next chunk of the body.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, EncodingError> {
        self.encoded += chunk.len() as u64;
        let mut bytes = chunk.to_vec();
        for stage in &mut self.stages {
            bytes = stage.push(&bytes, self.bounds, self.encoded)?;
        }
        Ok(bytes)
    }

    /// Ends the body and returns what was still inside the decoders. An incomplete body is an error.
    pub fn finish(&mut self) -> Result<Vec<u8>, EncodingError> {
        let mut bytes = Vec::new();
        for stage in &mut self.stages {
            let mut out = stage.push(&bytes, self.bounds, self.encoded)?;
            out.extend(stage.finish(self.bounds, self.encoded)?);
            bytes = out;
        }
        Ok(bytes)
    }
}

/// One coding being taken off.
enum Stage {
    Gzip(MultiGzDecoder<Room>),
    /// `deflate` means zlib (RFC 9110 §8.4.1.2), but some servers send it raw: the first two bytes tell.
    DeflateHead(Vec<u8>),
    Zlib(ZlibDecoder<Room>),
    Deflate(DeflateDecoder<Room>),
    Brotli(Box<DecompressorWriter<Room>>),
    Zstd(zio::Writer<Room, raw::Decoder<'static>>),
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Stage {
    fn new(name: &str) -> Result<Stage, EncodingError> {
        Ok(match name {
            "gzip" | "x-gzip" => Stage::Gzip(MultiGzDecoder::new(Room::default())),
            "deflate" => Stage::DeflateHead(Vec::new()),
            "br" => Stage::Brotli(Box::new(DecompressorWriter::new(Room::default(), 4096))),
            "zstd" => {
                let broken = |error| EncodingError::Broken("zstd", error);
                let mut decoder = raw::Decoder::new().map_err(broken)?;
                decoder.set_parameter(raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(broken)?;
                Stage::Zstd(zio::Writer::new(Room::default(), decoder))
            }
            other => return Err(EncodingError::Unknown(other.chars().take(32).collect())),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Stage::Gzip(_) => "gzip",
            Stage::DeflateHead(_) | Stage::Zlib(_) | Stage::Deflate(_) => "deflate",
            Stage::Brotli(_) => "br",
            Stage::Zstd(_) => "zstd",
        }
    }

    fn room(&mut self) -> Option<&mut Room> {
        match self {
            Stage::Gzip(decoder) => Some(decoder.get_mut()),
            Stage::DeflateHead(_) => None,
            Stage::Zlib(decoder) => Some(decoder.get_mut()),
            Stage::Deflate(decoder) => Some(decoder.get_mut()),
            Stage::Brotli(decoder) => Some(decoder.get_mut()),
            Stage::Zstd(decoder) => Some(decoder.writer_mut()),
        }
    }

    fn push(&mut self, bytes: &[u8], bounds: Bounds, encoded: u64) -> Result<Vec<u8>, EncodingError> {
        let joined;
        let mut bytes = bytes;
        if let Stage::DeflateHead(head) = self {
            head.extend_from_slice(bytes);
            if head.len() < 2 {
                return Ok(Vec::new());
            }
            joined = std::mem::take(head);
            bytes = &joined;
            let zlib = bytes[0] & 15 == 8 && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31);
            *self = if zlib {
                Stage::Zlib(ZlibDecoder::new(Room::default()))
            } else {
                Stage::Deflate(DeflateDecoder::new(Room::default()))
            };
        }
        self.bound(bounds, encoded);
        let result = match self {
            Stage::Gzip(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Stage::DeflateHead(_) => Ok(()),
            Stage::Zlib(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Stage::Deflate(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Stage::Brotli(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
            Stage::Zstd(decoder) => decoder.write_all(bytes).and_then(|()| decoder.flush()),
        };
        self.take(result)
    }

    fn finish(&mut self, bounds: Bounds, encoded: u64) -> Result<Vec<u8>, EncodingError> {
        self.bound(bounds, encoded);
        let result = match self {
            Stage::Gzip(decoder) => decoder.try_finish(),
            Stage::DeflateHead(head) if head.is_empty() => Ok(()),
            Stage::DeflateHead(_) => Err(ErrorKind::UnexpectedEof.into()),
            Stage::Zlib(decoder) => decoder.try_finish(),
            Stage::Deflate(decoder) => decoder.try_finish(),
            Stage::Brotli(decoder) => decoder.close(),
            Stage::Zstd(decoder) => decoder.finish(),
        };
        self.take(result)
    }

    /// Says how much may come out from now on.
    fn bound(&mut self, bounds: Bounds, encoded: u64) {
        if let Some(room) = self.room() {
            let dense = encoded.saturating_mul(bounds.ratio).max(RATIO_FREE);
            (room.limit, room.dense) = (bounds.decoded.min(dense), dense < bounds.decoded);
            room.ratio = bounds.ratio;
        }
    }

    /// What came out, or what went wrong.
    fn take(&mut self, result: std::io::Result<()>) -> Result<Vec<u8>, EncodingError> {
        let name = self.name();
        let Some(room) = self.room() else {
            return result.map(|()| Vec::new()).map_err(|error| EncodingError::Broken(name, error));
        };
        if room.full {
            return Err(if room.dense {
                EncodingError::TooDense(room.ratio)
            } else {
                EncodingError::TooLarge(room.limit)
            });
        }
        result.map_err(|error| EncodingError::Broken(name, error))?;
        Ok(std::mem::take(&mut room.out))
    }
}

/// Where a decoder writes: a vector that refuses what passes the bounds.
#[derive(Default)]
struct Room {
    out: Vec<u8>,
    total: u64,
    limit: u64,
    ratio: u64,
    dense: bool,
    full: bool,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.total += bytes.len() as u64;
        if self.total > self.limit {
            self.full = true;
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
