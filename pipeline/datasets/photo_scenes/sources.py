"""The photographs of the embedded data set, each of which is a class.

Authors and licences are as stated in the documentation of scikit-image (`skimage.data`) and in the read-me
beside scikit-learn's sample images. Synthetic, tiny and featureless files are left out, and so are pictures
of many unlike things (astronaut, coffee, motorcycle), whose small crops do not reveal the photograph.
"""

from pipeline.datasets.photographs import NOT_STATED, Photograph, Region

PUBLIC_DOMAIN = "no known copyright restrictions, released into the public domain"
NO_RESTRICTIONS = "no known copyright restrictions"
CC0 = "CC0"


def _skimage(name: str, file: str, subject: str, author: str, licence: str, **rest: object) -> Photograph:
    return Photograph(name, "scikit-image", f"data/{file}", subject, author, licence, **rest)


def _sklearn(name: str, file: str, subject: str, author: str, licence: str, **rest: object) -> Photograph:
    return Photograph(name, "scikit-learn", f"datasets/images/{file}", subject, author, licence, **rest)


PHOTOGRAPHS: tuple[Photograph, ...] = (
    _skimage(
        "brick",
        "brick.png",
        "a brick wall",
        "not stated; CC0Textures, Bricks25",
        CC0,
        sha256="7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    ),
    _skimage(
        "camera",
        "camera.png",
        "a man with a camera on a lawn",
        "Lav Varshney",
        CC0,
        sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    ),
    _skimage(
        "cat",
        "chelsea.png",
        "Chelsea the cat",
        "Stefan van der Walt",
        CC0,
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        box=Region(0, 60, 300, 330),
    ),
    _skimage(
        "coins",
        "coins.png",
        "Greek coins from Pompeii",
        "not stated; Brooklyn Museum Collection",
        NO_RESTRICTIONS,
        sha256="f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    ),
    _skimage(
        "grass",
        "grass.png",
        "grass",
        "not stated; from DeviantArt, page of linolafett",
        CC0,
        sha256="b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    ),
    _skimage(
        "gravel",
        "gravel.png",
        "gravel",
        "not stated; CC0Textures, Gravel04",
        CC0,
        sha256="c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    ),
    _skimage(
        "stars",
        "hubble_deep_field.jpg",
        "the Hubble eXtreme Deep Field",
        "NASA",
        "may be freely used in the public domain",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    _skimage(
        "tissue",
        "ihc.png",
        "colonic glands, immunohistochemical staining",
        "not stated; acquired at the Center for Microscopy And Molecular Imaging (CMMI)",
        NO_RESTRICTIONS,
        sha256="f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    ),
    _skimage(
        "moon",
        "moon.png",
        "the surface of the moon",
        NOT_STATED,
        NOT_STATED,
        sha256="78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
    ),
    _skimage(
        "page",
        "page.png",
        "a scanned page of print",
        NOT_STATED,
        NOT_STATED,
        sha256="341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
    ),
    _skimage(
        "retina",
        "retina.jpg",
        "a human retina",
        "Mikael Häggström",
        CC0,
        sha256="38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
        box=Region(112, 112, 480, 480),
        reduce=2,
    ),
    _skimage(
        "rocket",
        "rocket.jpg",
        "a Falcon 9 on its launch pad",
        "SpaceX",
        "released in the public domain",
        sha256="c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    _skimage(
        "handwriting",
        "text.png",
        "handwritten formulae",
        "not stated; from Wikipedia, File:Corner.png",
        PUBLIC_DOMAIN,
        sha256="bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
    ),
    _sklearn(
        "temple",
        "china.jpg",
        "a Chinese pagoda",
        "danielbuechele",
        "CC BY 2.0",
        sha256="8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        box=Region(60, 50, 367, 310),
    ),
    _sklearn(
        "flower",
        "flower.jpg",
        "a dahlia",
        "vultilion by the link given, danielbuechele by the text beside it",
        "CC BY 2.0",
        sha256="a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        box=Region(85, 165, 285, 285),
    ),
)
