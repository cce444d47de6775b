//! Characters that stand for an ASCII character to a reader, or for nothing at all.

/// What a character is to someone who reads past its disguise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Itself.
    Keep,
    /// Nothing: it cannot be seen.
    Drop,
    /// A form of this ASCII character.
    To(u8),
    /// A letter of another script that looks like this ASCII letter.
    Letter(u8),
}

/// Zeros of the scripts whose ten decimal digits stand in a row (Unicode, general category Nd).
const ZEROS: [u32; 28] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
];

/// Letters of other scripts, each before the ASCII letter it cannot be told from (Unicode TR39, confusables).
const LOOKALIKES: &[(&str, &str)] = &[
    // Cyrillic.
    ("аеорсухіјѕһԁԛԝӏѵкАВЕКМНОРСТУХІЈЅѴԚԜӀ", "aeopcyxijshdqwlvkABEKMHOPCTYXIJSVQWI"),
    // Greek.
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορυχϲϳ", "ABEZHIKMNOPTYXayikvopuxcj"),
    // Armenian.
    ("օսհոցՕՏԼ", "ouhngOSL"),
];

/// Latin letters in forms of their own: small capitals, dotless, script.
const LATIN: (&str, &str) = (
    "ıɑɡɩɪᴀʙᴄᴅᴇɢʜᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢℎℬℰℱℋℐℒℳℛℯℊℴℭℌℑℜℨℂℍℕℙℚℝℤ\u{212a}",
    "iagiiabcdeghjklmnoprtuvwyzhBEFHILMRegoCHIRZCHNPQRZK",
);

/// What `character` is to a reader.
pub fn fold(character: char) -> Fold {
    let code = character as u32;
    match code {
        0..0xA0 => Fold::Keep,
        // Soft hyphen, combining marks, joiners, marks of direction, fillers, variation selectors, byte order mark.
        0xAD | 0x300..=0x36F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F => Fold::Drop,
        0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF => Fold::Drop,
        0xE0001 | 0xE007F | 0xE0100..=0xE01EF => Fold::Drop,
        // Tag characters: ASCII that cannot be seen.
        0xE0020..=0xE007E => Fold::To((code - 0xE0000) as u8),
        // Spaces of other widths. The ideographic space is ordinary punctuation.
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F => Fold::To(b' '),
        0x2010..=0x2013 | 0x2212 | 0xFE58 | 0xFE63 | 0xFF0D => Fold::To(b'-'),
        0x2024 | 0xFE52 | 0xFF0E => Fold::To(b'.'),
        0x2044 | 0xFF0F => Fold::To(b'/'),
        0xFE6B | 0xFF20 => Fold::To(b'@'),
        0xFF0B | 0xFF1D | 0xFF3F => Fold::To((code - 0xFEE0) as u8),
        // Full width. Most of its punctuation is ordinary in Chinese.
        0xFF10..=0xFF19 | 0xFF21..=0xFF3A | 0xFF41..=0xFF5A => Fold::To((code - 0xFEE0) as u8),
        // Mathematical letters: thirteen alphabets in a row; and digits.
        0x1D400..=0x1D6A3 => match (code - 0x1D400) % 52 {
            capital @ 0..26 => Fold::To(b'A' + capital as u8),
            small => Fold::To(b'a' + (small - 26) as u8),
        },
        0x1D7CE..=0x1D7FF => Fold::To(b'0' + ((code - 0x1D7CE) % 10) as u8),
        // Enclosed letters and digits.
        0x2460..=0x2468 => Fold::To(b'1' + (code - 0x2460) as u8),
        0x24EA => Fold::To(b'0'),
        0x249C..=0x24B5 => Fold::To(b'a' + (code - 0x249C) as u8),
        0x24B6..=0x24CF => Fold::To(b'A' + (code - 0x24B6) as u8),
        0x24D0..=0x24E9 => Fold::To(b'a' + (code - 0x24D0) as u8),
        0x1F110..=0x1F129 => Fold::To(b'A' + (code - 0x1F110) as u8),
        0x1F130..=0x1F149 => Fold::To(b'A' + (code - 0x1F130) as u8),
        0x1F150..=0x1F169 => Fold::To(b'A' + (code - 0x1F150) as u8),
        0x1F170..=0x1F189 => Fold::To(b'A' + (code - 0x1F170) as u8),
        0x131..=0x214F => listed(code),
        _ => Fold::Keep,
    }
}

/// A character of the lists.
fn listed(code: u32) -> Fold {
    if let Some(zero) = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)) {
        return Fold::To(b'0' + (code - zero) as u8);
    }
    LETTERS.with_code(code)
}

/// The letters in a table by code point.
struct Letters {
    low: [u8; 0x600],
}

/// Set in a table entry for a Latin letter.
const OWN: u8 = 0x80;

static LETTERS: Letters = Letters::new();

impl Letters {
    const fn new() -> Letters {
        let mut low = [0; 0x600];
        let mut list = 0;
        while list < LOOKALIKES.len() {
            fill(&mut low, LOOKALIKES[list], 0);
            list += 1;
        }
        fill(&mut low, LATIN, OWN);
        Letters { low }
    }

    fn with_code(&self, code: u32) -> Fold {
        match self.low.get(code as usize) {
            Some(0) => Fold::Keep,
            Some(letter) if letter & OWN != 0 => Fold::To(letter & !OWN),
            Some(letter) => Fold::Letter(*letter),
            // Few and rare.
            None => {
                let place = LATIN.0.chars().position(|known| known as u32 == code);
                place
                    .and_then(|place| LATIN.1.as_bytes().get(place))
                    .map_or(Fold::Keep, |&letter| Fold::To(letter))
            }
        }
    }
}

/// Enters the pairs of two lists of letters, all of them two bytes of UTF-8 or left out.
const fn fill(low: &mut [u8; 0x600], pairs: (&str, &str), mark: u8) {
    let (from, to) = (pairs.0.as_bytes(), pairs.1.as_bytes());
    let (mut at, mut place) = (0, 0);
    while at < from.len() {
        if from[at] < 0xE0 {
            let code = ((from[at] & 0x1F) as usize) << 6 | (from[at + 1] & 0x3F) as usize;
            low[code] = to[place] | mark;
            at += 2;
        } else {
            at += 3;
        }
        place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_seen_through() {
        let cases = [
            ('a', Fold::Keep),
            ('é', Fold::Keep),
            ('中', Fold::Keep),
            ('，', Fold::Keep),
            ('я', Fold::Keep),
            ('—', Fold::Keep),
            ('\u{200b}', Fold::Drop),
            ('\u{feff}', Fold::Drop),
            ('\u{e0101}', Fold::Drop),
            ('\u{e0073}', Fold::To(b's')),
            ('\u{a0}', Fold::To(b' ')),
            ('‑', Fold::To(b'-')),
            ('Ａ', Fold::To(b'A')),
            ('７', Fold::To(b'7')),
            ('٣', Fold::To(b'3')),
            ('𝐬', Fold::To(b's')),
            ('𝟗', Fold::To(b'9')),
            ('ⓚ', Fold::To(b'k')),
            ('ᴋ', Fold::To(b'k')),
            ('ℝ', Fold::To(b'R')),
            ('ı', Fold::To(b'i')),
            ('ѕ', Fold::Letter(b's')),
            ('к', Fold::Letter(b'k')),
            ('Ο', Fold::Letter(b'O')),
            ('օ', Fold::Letter(b'o')),
        ];
        for (character, expected) in cases {
            assert_eq!(fold(character), expected, "{character:?}");
        }
    }

    #[test]
    fn lists_pair_each_letter() {
        for (from, to) in LOOKALIKES.iter().chain([&LATIN]) {
            assert_eq!(from.chars().count(), to.len(), "{from}");
            assert!(to.bytes().all(|letter| letter.is_ascii_alphabetic()));
        }
        for (from, to) in LOOKALIKES {
            for (character, letter) in from.chars().zip(to.bytes()) {
                assert_eq!(fold(character), Fold::Letter(letter), "{character}");
            }
        }
    }
}
