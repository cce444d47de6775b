//! Looks into a program's file for what tells how it does TLS: a few strings that compilers and libraries leave there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of a program that are read; Bun programs take some 250 MB.
const MOST_READ: usize = 1 << 30;
/// Read at a time.
const PIECE: usize = 1 << 20;

/// What was found in a program's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Markers {
    /// Built by Go (debug/buildinfo).
    pub go: bool,
    /// A Bun program, `bun` itself or one compiled with it.
    pub bun: bool,
    /// Holds rustls.
    pub rustls: bool,
    /// Holds the public roots of the crate webpki-roots: they cannot be changed from outside.
    pub builtin_roots: bool,
    /// Reads the system's store or `SSL_CERT_FILE`, as native roots do.
    pub native_roots: bool,
    /// OpenSSL or a library made of it is linked in.
    pub openssl: bool,
}

/// One string, and what it shows.
struct Marker {
    /// Written with the first byte changed, so that this program does not hold the string itself.
    masked: &'static [u8],
    show: fn(&mut Markers),
}

/// What the first byte is changed with.
const MASK: u8 = 0x80;

const MARKERS: [Marker; 9] = [
    // `\xff Go buildinf:` (debug/buildinfo in Go's source).
    Marker { masked: b"\x7f Go buildinf:", show: |found| found.go = true },
    // Ends every program that `bun build --compile` makes; `bun` names its variable.
    Marker { masked: b"\xad--- Bun! ----\n", show: |found| found.bun = true },
    Marker { masked: b"\xc2UN_BE_BUN", show: |found| found.bun = true },
    // The words of rustls::Error.
    Marker { masked: b"\xe9nvalid peer certificate", show: |found| found.rustls = true },
    // The name of a root as it stands in a certificate; bundles in PEM do not show it.
    Marker { masked: b"\xc9SRG Root X1", show: |found| found.builtin_roots = true },
    Marker { masked: b"\xd3SL_CERT_FILE", show: |found| found.native_roots = true },
    Marker { masked: b"\xd3SL_CERT_DIR", show: |found| found.native_roots = true },
    Marker { masked: b"\xcfpenSSL 3.", show: |found| found.openssl = true },
    Marker { masked: b"\xcfpenSSL 1.1", show: |found| found.openssl = true },
];

/// Reads the program once, from its beginning to its end.
///
/// # Errors
/// When it cannot be read.
pub(super) fn find(program: &Path) -> io::Result<Markers> {
    find_in(&mut File::open(program)?)
}

fn find_in(program: &mut dyn Read) -> io::Result<Markers> {
    let strings: Vec<Vec<u8>> = MARKERS
        .iter()
        .map(|marker| {
            let mut string = marker.masked.to_vec();
            string[0] ^= MASK;
            string
        })
        .collect();
    let finders: Vec<_> = strings.iter().map(memchr::memmem::Finder::new).collect();
    let overlap = strings.iter().map(Vec::len).max().unwrap_or(0);
    let mut found = Markers::default();
    let (mut piece, mut kept, mut read) = (vec![0; PIECE + overlap], 0, 0);
    while read < MOST_READ {
        let got = program.read(&mut piece[kept..])?;
        if got == 0 {
            break;
        }
        read += got;
        let end = kept + got;
        for (marker, finder) in MARKERS.iter().zip(&finders) {
            if finder.find(&piece[..end]).is_some() {
                (marker.show)(&mut found);
            }
        }
        // A string may lie across two pieces.
        let start = end.saturating_sub(overlap);
        piece.copy_within(start..end, 0);
        kept = end - start;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_wherever_it_lies() {
        let marker = b"\xff Go buildinf:";
        for at in [0, 5, PIECE - 3, PIECE, PIECE + 20, 3 * PIECE - 7] {
            let mut program = vec![b'x'; 3 * PIECE + 100];
            program[at..at + marker.len()].copy_from_slice(marker);
            let found = find_in(&mut program.as_slice()).unwrap();
            assert_eq!(found, Markers { go: true, ..Markers::default() }, "{at}");
        }
        assert_eq!(find_in(&mut b"".as_slice()).unwrap(), Markers::default());
    }

    #[test]
    fn this_program_is_what_it_is() {
        let found = find(Path::new("/proc/self/exe")).unwrap();
        assert!(found.rustls && found.builtin_roots && found.native_roots, "{found:?}");
    }
}
