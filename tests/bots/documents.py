"""Documents for tests: PDFs made by hand, whole and malicious."""

import io
import zlib

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def pdf(*pages, outline=()):
    """A PDF with one line of text on each page; `outline`: (heading, number of its page from 0)."""
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(612, 792)
        font = {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
        font[NameObject("/BaseFont")] = NameObject("/Helvetica")
        fonts = DictionaryObject({NameObject("/F1"): DictionaryObject(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        content.set_data(b"BT /F1 12 Tf 72 720 Td (" + text.encode("latin-1") + b") Tj ET")
        page[NameObject("/Contents")] = writer._add_object(content)
    for heading, number in outline:
        writer.add_outline_item(title=heading, page_number=number)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def raw_pdf(*objects):
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    body, offsets = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start, count = len(body), len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    return body + b"trailer <</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, start)


def stream(data, filters=b""):
    return b"<</Length %d %b>>\nstream\n%b\nendstream" % (len(data), filters, data)


_FONT = b"<</Font <</F1 <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>"


def bomb_pdf(megabytes=300):
    """One page whose text unpacks to so many megabytes."""
    packer = zlib.compressobj(9)
    packed = packer.compress(b"BT /F1 12 Tf ") + b"".join(
        packer.compress(b"(a) Tj " * 150_000) for _ in range(megabytes)
    )
    return raw_pdf(
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources " + _FONT + b">>",
        stream(packed + packer.flush(), b"/Filter /FlateDecode"),
    )


def endless_pdf():
    """Pages that hold themselves."""
    return raw_pdf(
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [2 0 R 3 0 R] /Count 2>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9]>>",
    )


def endless_outline_pdf():
    """One page with text, under an outline that never ends."""
    return raw_pdf(
        b"<</Type /Catalog /Pages 2 0 R /Outlines 5 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources " + _FONT + b">>",
        stream(b"BT /F1 12 Tf (Hello) Tj ET"),
        b"<</Type /Outlines /First 6 0 R /Last 6 0 R>>",
        b"<</Title (x) /Next 6 0 R /First 6 0 R /Parent 5 0 R /Dest [3 0 R /Fit]>>",
    )


def deep_pdf(levels=100_000):
    """Arrays in arrays in arrays."""
    return raw_pdf(
        b"<</Type /Catalog /Pages 2 0 R /X " + b"[" * levels + b"]" * levels + b">>",
        b"<</Type /Pages /Kids [] /Count 0>>",
    )
