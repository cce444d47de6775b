//! The machines that may begin where the filter sets a bit.

/// Bits there are.
const BITS: usize = 64;

/// By bit: machines, ascending.
#[derive(Debug)]
pub(super) struct Lists {
    machines: [Vec<u16>; BITS],
    all: Vec<u16>,
}

impl Default for Lists {
    fn default() -> Lists {
        Lists { machines: std::array::from_fn(|_| Vec::new()), all: Vec::new() }
    }
}

impl Lists {
    /// Adds a machine whose rules have these bits.
    pub fn add(&mut self, machine: u16, bits: u64) {
        self.all.push(machine);
        for bit in (0..BITS).filter(|bit| bits >> bit & 1 == 1) {
            self.machines[bit].push(machine);
        }
    }

    /// The machines of the lowest bit, which is taken out of `bits`. A machine of several bits is told once for each.
    #[inline]
    pub fn take(&self, bits: &mut u64) -> &[u16] {
        let lowest = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
        &self.machines[lowest]
    }

    /// All machines.
    pub fn all(&self) -> &[u16] {
        &self.all
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        (self.machines.iter().map(Vec::len).sum::<usize>() + self.all.len()) * size_of::<u16>()
    }
}
