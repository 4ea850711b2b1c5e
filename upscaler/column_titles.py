"""What people and programs call the columns of SKU, address and name: only letters count, whatever their case.

“Image URL”, ``image_url_1`` and “imageUrl” are all ``imageurl``.
"""

from __future__ import annotations

import re
import unicodedata


def plain(title: str) -> str:
    """The title as it is compared."""
    letters = unicodedata.normalize("NFKD", title[:60]).casefold()
    return re.sub(r"[^a-z]+", "", letters)


def is_picture(title: str) -> bool:
    """Whether a `plain` title says that there are pictures, or their addresses."""
    return _OF_PICTURES.fullmatch(title) is not None


def _words(text: str) -> list[str]:
    return text.split()


def _ranks(text: str) -> dict[str, int]:
    return {title: rank for rank, title in enumerate(_words(text))}


_PICTURE = "image|img|picture|pic|photo|photograph|bild|foto|packshot|afbeelding|immagine|imagen|imagem|zdjecie|visuel"
_PLACE = "url|link|adresse|address|src|source|href|uri|path|lien|enlace"
_KIND = "main|primary|first|additional|extra|other|product|produkt|produit|item|variant|front|back|side|haupt|artikel"
_OF_PICTURES = re.compile(
    rf"(?:(?:{_KIND})*(?:{_PICTURE})(?:s|e|er|en|os|ns)?(?:{_PLACE})?s?|(?:{_PLACE})(?:to|of|zum|de|der)?(?:{_PICTURE})s?)"
)
ADDRESSES = frozenset(
    _words(
        "url urls link links address addresses adresse adressen webaddress webadresse weblink src href uri lien enlace "
        "source quelle file fileurl filelink download downloadurl downloadlink "
        "media mediaurl medialink asset asseturl cdnurl"
    )
)
# From the surest to what is only better than nothing.
SKUS = _ranks(
    "sku skuid skucode skunumber skunr skuno variantsku sellersku merchantsku productsku itemsku shopsku parentsku "
    "suppliersku configsku simplesku "
    "articlenumber articleno articlenr articleid articlecode artno artnr artnum artikelnummer artikelnr artikelno "
    "artikelid artikelcode codearticle codigoarticulo codicearticolo numeroarticle "
    "itemnumber itemno itemnr itemid itemcode productnumber productno productid productcode produktnummer produktnr "
    "produktid bestellnummer bestellnr modelnumber modellnummer modelno materialnumber materialnummer "
    "stylenumber styleno "
    "styleid stylecode stylecolor stylecolour "
    "article artikel item style styles product produkt code codice codigo "
    "reference referenz referencia riferimento ref refno refnr "
    "ean eancode eannummer gtin upc barcode strichcode asin mpn handle id"
)
NAMES = _ranks(
    "name title productname producttitle produktname productdescription itemname articlename artikelname "
    "artikelbezeichnung bezeichnung titel titre nom nombre nome filename dateiname imagename picturename bildname"
)
