"""Labeled Faces in the Wild (Huang et al., University of Massachusetts, 2007): photographs from the news.

Files, as the authors distribute them (13,233 images of 5,749 people), original, funneled or deepfunneled:
    lfw/Aaron_Eckhart/Aaron_Eckhart_0001.jpg ...  a folder for each person, 250x250 pixels
    lfw_attributes.txt    73 scores for each image, of classifiers by Kumar et al. ("Attribute and Simile
                          Classifiers for Face Verification", ICCV 2009): labels are estimates, not annotations
"""

from pathlib import Path

from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.images import image_dataset
from tiprdc_fl.data.lfw_files import WANTED, read_table
from tiprdc_fl.errors import InputError


def lfw(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """LFW's people, their photographs and all attributes the file names (73 in the original).

    Reads the text file and the folders' listings only; the first ``load`` decodes the images into the cache
    folder, as for every dataset of image files. An attribute is 1 where its score is above 0. People are
    numbered from 0 by their names' order in the attributes file; images without a row in it are left out
    (90 of the original), and so are people without any.

    Args:
        root: folder with lfw_attributes.txt; the people's folders are in it, or in its lfw, lfw_funneled,
            lfw-deepfunneled or lfw-deepfunneled/lfw-deepfunneled.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized
            with antialiasing.
        seed: not used; every dataset takes the same arguments.

    Raises:
        InputError: the folders, the file or an image is missing, or a row is not as described above.
    """
    if root is None:
        raise InputError(f"data.name=lfw needs data.root=PATH: {WANTED}")
    return image_dataset(read_table(root, image_size).table)
