//! Segments → the tables that are in force, and the scan that uses them.

use crate::{
    error::{Error, ErrorKind},
    header::{Coding, Header},
    huffman::{Ac, Codes, Spec},
    segment::{DHT, DQT, DRI, Segment},
    standard::TABLES,
};

/// What segments have defined so far. Huffman tables are not expanded before a scan uses them.
#[derive(Default)]
pub(crate) struct Tables {
    /// In the order of the file.
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Spec>; 4],
    ac: [Option<Spec>; 4],
    /// Units between restart markers; 0 for none.
    pub(crate) restart: usize,
}

impl Tables {
    /// Those that hold until a file defines others.
    pub(crate) fn new() -> Self {
        let mut tables = Self::default();
        tables.huffman(&TABLES).unwrap_or_else(|| unreachable!("they are well-formed"));
        tables
    }

    pub(crate) fn read(&mut self, segment: &Segment) -> Result<(), Error> {
        match segment.marker {
            DQT => self.quantisation(segment.content).ok_or_else(|| segment.bad("quantisation table")),
            DHT => self.huffman(segment.content).ok_or_else(|| segment.bad("Huffman table")),
            DRI => {
                let interval: Result<[u8; 2], _> = segment.content.try_into();
                self.restart = usize::from(u16::from_be_bytes(interval.map_err(|_| segment.bad("restart interval"))?));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn quantisation(&mut self, mut content: &[u8]) -> Option<()> {
        while let [what, rest @ ..] = content {
            let table = self.quantisation.get_mut(usize::from(what & 15))?;
            let mut steps = [0; 64];
            if what >> 4 == 0 {
                let (values, rest) = rest.split_first_chunk::<64>()?;
                steps.iter_mut().zip(values).for_each(|(step, &value)| *step = value.into());
                content = rest;
            } else {
                let (values, rest) = rest.split_first_chunk::<128>()?;
                steps.iter_mut().zip(values.as_chunks().0).for_each(|(step, &value)| *step = u16::from_be_bytes(value));
                content = rest;
            }
            *table = Some(steps);
        }
        Some(())
    }

    fn huffman(&mut self, mut content: &[u8]) -> Option<()> {
        while let [what, rest @ ..] = content {
            let tables = if what >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let table = tables.get_mut(usize::from(what & 15)).filter(|_| *what < 0x20)?;
            let (spec, rest) = Spec::parse(rest)?;
            *table = Some(spec);
            content = rest;
        }
        Some(())
    }

    pub(crate) fn steps(&self, table: usize) -> Option<&[u16; 64]> {
        self.quantisation[table].as_ref()
    }
}

/// A scan header.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// Index of the component, and its two tables.
    pub(crate) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient, in the order of the file.
    pub(crate) band: (usize, usize),
    /// Bits of the coefficients that come with this scan: from this one up; and whether those above it are known.
    pub(crate) low: u32,
    pub(crate) refines: bool,
    /// Where the header is.
    pub(crate) position: usize,
}

impl Scan {
    pub(crate) fn parse(segment: &Segment, header: &Header) -> Result<Self, Error> {
        let bad = || segment.bad("scan header");
        let (&count, rest) = segment.content.split_first().ok_or_else(bad)?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(bad)?;
        let [first, last, bits] = rest else { return Err(bad()) };
        let mut scan = Self {
            components: vec![],
            band: (usize::from(*first), usize::from(*last)),
            low: u32::from(bits & 15),
            refines: bits >> 4 > 0,
            position: segment.position,
        };
        for &[id, tables] in components.as_chunks().0 {
            let index = header.components.iter().position(|component| component.id == id).ok_or_else(bad)?;
            if scan.components.iter().any(|other| other.0 >= index) || tables & 0xCC != 0 {
                return Err(bad());
            }
            scan.components.push((index, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let blocks: usize = scan.components.iter().map(|c| header.components[c.0].sampling).map(|(x, y)| x * y).sum();
        if scan.components.is_empty() || (scan.components.len() > 1 && blocks > 10) {
            return Err(bad());
        }
        if header.coding == Coding::Progressive {
            let (first, last) = scan.band;
            let sound = if first == 0 { last == 0 } else { first <= last && last < 64 && scan.components.len() == 1 };
            if !sound || scan.low > 13 || (scan.refines && u32::from(bits >> 4) != scan.low + 1) {
                return Err(bad());
            }
        }
        Ok(scan)
    }

    pub(crate) fn is_dc(&self) -> bool {
        self.band.0 == 0
    }

    fn bad(&self, what: &'static str) -> Error {
        ErrorKind::BadSegment(what).at(self.position)
    }

    /// The DC tables of the components.
    pub(crate) fn dc(&self, tables: &Tables) -> Result<Vec<Codes>, Error> {
        let table = |&(_, dc, _): &(usize, usize, usize)| tables.dc[dc].as_ref().and_then(Codes::dc).ok_or_else(|| self.bad("DC table"));
        self.components.iter().map(table).collect()
    }

    /// The AC tables of the components.
    pub(crate) fn ac(&self, tables: &Tables) -> Result<Vec<Ac>, Error> {
        let table = |&(_, _, ac): &(usize, usize, usize)| tables.ac[ac].as_ref().map(Ac::new).ok_or_else(|| self.bad("AC table"));
        self.components.iter().map(table).collect()
    }

    /// The AC table of the only component, without what passes over coefficients.
    pub(crate) fn band_codes(&self, tables: &Tables) -> Result<Codes, Error> {
        let spec = self.components.first().and_then(|&(_, _, ac)| tables.ac[ac].as_ref());
        spec.map(Codes::ac).ok_or_else(|| self.bad("AC table"))
    }
}
