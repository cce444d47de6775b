//! What of a running answer its dialect has to say again when it is cut: items that are done, and the open message.

/// Most bytes of one answer that are remembered; what comes later is missing in the last events of a cut answer.
pub const MOST_REMEMBERED: usize = 1 << 20;

/// An answer as far as the client has it. Texts are as they stand in JSON, escapes and all.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Items that are done, each a JSON object.
    pub done: Vec<Vec<u8>>,
    /// The message whose text is running.
    pub open: Option<Message>,
    /// The number of the next event.
    pub next_event: u64,
    bytes: usize,
}

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Its number in the answer.
    pub number: u16,
    /// Its id, the inside of a JSON string.
    pub id: Vec<u8>,
    /// Its parts that are done, each a JSON object.
    pub parts: Vec<Vec<u8>>,
    /// The number of the part whose text is running.
    pub part: Option<u16>,
    /// The text of that part so far, the inside of a JSON string.
    pub text: Vec<u8>,
}

impl Answer {
    /// A message opens.
    pub fn open(&mut self, number: u16, id: &[u8]) {
        if self.fits(id) {
            self.open = Some(Message { number, id: id.to_vec(), ..Message::default() });
        }
    }

    /// A part of message `number` opens.
    pub fn open_part(&mut self, number: u16, part: u16) {
        if let Some(message) = self.message(number) {
            message.part = Some(part);
            message.text.clear();
        }
    }

    /// Text is added to the open part of message `number`.
    pub fn add(&mut self, number: u16, text: &[u8]) {
        if self.fits(text)
            && let Some(message) = self.message(number)
        {
            message.text.extend_from_slice(text);
        }
    }

    /// The open part of message `number` is done.
    pub fn close_part(&mut self, number: u16, part: &[u8]) {
        if self.fits(part)
            && let Some(message) = self.message(number)
        {
            message.parts.push(part.to_vec());
            (message.part, message.text) = (None, Vec::new());
        }
    }

    /// Item `number`, a message or another, is done.
    pub fn close(&mut self, number: u16, item: &[u8]) {
        self.open.take_if(|message| message.number == number);
        if self.fits(item) {
            self.done.push(item.to_vec());
        }
    }

    fn message(&mut self, number: u16) -> Option<&mut Message> {
        self.open.as_mut().filter(|message| message.number == number)
    }

    /// Counts what is to be remembered, and says whether there is room for it.
    fn fits(&mut self, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.bytes <= MOST_REMEMBERED
    }
}
